package mysql

import (
	"bytes"
	"errors"
	"net"
	"os"
	"time"
)

// wire looks at what passes on a connection until its login is over, and changes nothing. The driver tells neither why a login
// broke off nor how the password was protected.
type wire struct {
	net.Conn
	// greeting is by when the server must have begun to speak.
	greeting time.Time
	heard    bool
	// tlsBegun: the client sent its first TLS record.
	tlsBegun bool
	// keyGiven: the server sent a public key in the clear, for the password to be encrypted with.
	keyGiven bool
	// late: the server did not speak in time. The driver calls that a broken connection.
	late  bool
	tail  []byte
	quiet bool
}

const tlsHandshakeRecord = 0x16

// A packet of MySQL can't be taken for it: before TLS the client sends only the request for TLS, which is 32 bytes long.
func (w *wire) Write(b []byte) (int, error) {
	if !w.quiet && !w.tlsBegun && len(b) > 0 && b[0] == tlsHandshakeRecord {
		w.tlsBegun = true
	}
	return w.Conn.Write(b)
}

var keyMark = []byte("-----BEGIN PUBLIC KEY-----")

func (w *wire) Read(b []byte) (int, error) {
	if !w.heard {
		// The driver has just set a later deadline; it sets another before each read.
		if err := w.SetReadDeadline(w.greeting); err != nil {
			return 0, err
		}
	}
	n, err := w.Conn.Read(b)
	w.heard = w.heard || n > 0
	w.late = w.late || errors.Is(err, os.ErrDeadlineExceeded)
	if !w.quiet && !w.tlsBegun && !w.keyGiven {
		w.tail = append(w.tail, b[:n]...)
		w.keyGiven = bytes.Contains(w.tail, keyMark)
		w.tail = bytes.Clone(w.tail[max(0, len(w.tail)-len(keyMark)):])
	}
	return n, err
}
