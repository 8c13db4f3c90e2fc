package webui_test

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"image"
	"image/color/palette"
	"image/draw"
	"image/png"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"
)

var pictures = flag.Bool("pictures", false, "write the pictures of the documentation")

const (
	pkg      = "chromium"
	install  = "install Debian's " + pkg + " (as root: apt-get install " + pkg + ")"
	patience = 45 * time.Second
	// The window's size decides what a picture shows.
	width, height = 1280, 1000
)

// ensure installs Chromium where it is missing and may be installed.
func ensure() error {
	if _, err := exec.LookPath("chromium"); err == nil {
		return nil
	}
	if _, err := exec.LookPath("apt-get"); err != nil || os.Getuid() != 0 {
		return fmt.Errorf("no chromium here: %s", install)
	}
	for _, args := range [][]string{{"-qq", "update"}, {"-qq", "--no-install-recommends", "install", pkg}} {
		command := exec.Command("apt-get", args...)
		command.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
		command.Stdout, command.Stderr = os.Stderr, os.Stderr
		if err := command.Run(); err != nil {
			return fmt.Errorf("apt-get could not provide chromium: %s", install)
		}
	}
	return nil
}

// page is one tab of a browser of its own.
type page struct {
	t   *testing.T
	ctx context.Context
}

// open starts a browser.
func open(t *testing.T) *page {
	t.Helper()
	flags := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.NoSandbox, chromedp.DisableGPU, chromedp.ExecPath("chromium"),
		chromedp.Flag("disable-background-networking", true), chromedp.Flag("disable-dev-shm-usage", true), chromedp.WindowSize(width, height))
	browser, end := chromedp.NewExecAllocator(context.Background(), flags...)
	t.Cleanup(end)
	ctx, closeTab := chromedp.NewContext(browser)
	t.Cleanup(closeTab)
	// The browser lives as long as the context of the first call.
	require.NoError(t, chromedp.Do(ctx, chromedp.EmulateViewport(width, height)))
	return &page{t, ctx}
}

func (p *page) do(actions ...chromedp.Action[chromedp.Void]) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	require.NoError(p.t, chromedp.Do(ctx, actions...), "the page says:\n%s", p.text())
}

func (p *page) goTo(url string) {
	p.t.Helper()
	p.do(chromedp.Navigate(url))
}

// readable gives the text of the page and of the frames in it, which is where Markdown is.
const readable = `[document, ...[...document.querySelectorAll("iframe")].map(f => f.contentDocument)].map(d => d && d.body ? d.body.innerText : "").join("\n")`

// text is what can be read on the page.
func (p *page) text() (text string) {
	ctx, cancel := context.WithTimeout(p.ctx, 10*time.Second)
	defer cancel()
	text, _ = chromedp.Run(ctx, chromedp.Evaluate[string](readable)) // a page that is just being loaded has none
	return text
}

// evaluate runs JavaScript on the page.
func evaluate[T any](p *page, script string) T {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	value, err := chromedp.Run(ctx, chromedp.Evaluate[T](script))
	require.NoError(p.t, err, script)
	return value
}

// sees waits until the page shows all the words.
func (p *page) sees(words ...string) {
	p.t.Helper()
	p.until(func() (bool, string) {
		text := p.text()
		for _, w := range words {
			if !strings.Contains(text, w) {
				return false, fmt.Sprintf("%q is not on the page, which says:\n%s", w, text)
			}
		}
		return true, ""
	})
}

// until polls.
func (p *page) until(condition func() (ok bool, otherwise string)) {
	p.t.Helper()
	deadline := time.Now().Add(patience)
	for {
		ok, otherwise := condition()
		if ok {
			return
		}
		if time.Now().After(deadline) {
			p.t.Fatal(otherwise)
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// spot finds the middle of an element that can be seen: by a CSS selector, and by the first line of its text, if that is not "". The page has some
// elements twice, one of each hidden.
const spot = `(() => {
	for (const e of document.querySelectorAll(%q)) {
		const r = e.getBoundingClientRect(), text = %q;
		if (r.width > 0 && r.height > 0 && getComputedStyle(e).visibility !== "hidden" && !e.disabled && (text === "" || e.innerText.trim().split("\n")[0].trim() === text)) {
			e.scrollIntoView({block: "nearest"});
			const s = e.getBoundingClientRect(), x = s.x + s.width/2, y = s.y + s.height/2;
			const top = document.elementFromPoint(x, y);
			if (top && (e.contains(top) || top.contains(e))) return [x, y];
		}
	}
	return [];
})()`

// click clicks on an element as soon as it can be clicked on and does not move any more.
func (p *page) click(selector, text string) {
	p.t.Helper()
	var at []float64
	p.until(func() (bool, string) {
		before := at
		at = evaluate[[]float64](p, fmt.Sprintf(spot, selector, text))
		return len(at) == 2 && slices.Equal(before, at), fmt.Sprintf("%s %q can't be clicked on; the page says:\n%s", selector, text, p.text())
	})
	p.do(chromedp.MouseClickXY(at[0], at[1]))
}

// typeInto clicks on a field, types, and leaves it: an editor sets what was typed in lines of its own then.
func (p *page) typeInto(selector, text string) {
	p.t.Helper()
	p.click(selector, "")
	require.True(p.t, evaluate[bool](p, fmt.Sprintf(`document.execCommand("insertText", false, %q)`, text)), "the text can't be typed into %s", selector)
	evaluate[bool](p, `document.activeElement.blur(), true`)
}

// picture writes what is to be seen for the documentation, if that is asked for.
func (p *page) picture(name string) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	data, err := chromedp.Run(ctx, chromedp.CaptureScreenshot())
	require.NoError(p.t, err)
	shown, err := png.Decode(bytes.NewReader(data))
	require.NoError(p.t, err)
	require.Equal(p.t, image.Rect(0, 0, width, height), shown.Bounds())
	if !*pictures {
		return
	}
	// Few colours make a small file.
	few := image.NewPaletted(shown.Bounds(), palette.Plan9)
	draw.Draw(few, few.Bounds(), shown, image.Point{}, draw.Src)
	file, err := os.Create(filepath.Join("../../../docs/pictures", name+".png"))
	require.NoError(p.t, err)
	require.NoError(p.t, (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(file, few))
	require.NoError(p.t, file.Close())
}
