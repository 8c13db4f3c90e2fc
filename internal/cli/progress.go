package cli

import (
	"fmt"
	"strings"
	"sync"
)

// progress is a bar on a terminal that shows how far something is; elsewhere it is nothing.
type progress struct {
	*app
	what string
	on   bool
	mu   sync.Mutex
	live bool
	last int
}

// barWidth is the bar's own, in characters.
const barWidth = 30

func (a *app) progress(what string, output *word) *progress {
	return &progress{app: a, what: what, on: a.Terminal && !a.dumb() && output.forPeople(), last: -1}
}

// show draws the bar anew where that changes it.
func (p *progress) show(done, of int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.on || of == 0 || done < p.last || done*100/of == p.last*100/of && p.last >= 0 {
		return
	}
	p.draw(done, of, fmt.Sprintf("%d of %d", done, of))
}

// tell draws the bar anew with a text of its own.
func (p *progress) tell(done, of int, text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.on && of > 0 {
		p.draw(done, of, text)
	}
}

func (p *progress) draw(done, of int, text string) {
	p.last = done
	full := done * barWidth / of
	p.live = true
	p.printf("\r\x1b[K%s %s%s %s", p.what, p.paint(green, strings.Repeat("━", full)), p.paint(faint, strings.Repeat("─", barWidth-full)), text)
}

// line prints a line above the bar.
func (p *progress) line(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.wipe()
	p.printf("%s\n", fmt.Sprintf(format, args...))
	p.last = -1
}

// end takes the bar away.
func (p *progress) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.wipe()
}

func (p *progress) wipe() {
	if p.live {
		p.live = false
		p.printf("\r\x1b[K")
	}
}
