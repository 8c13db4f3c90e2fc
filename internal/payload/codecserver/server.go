// Package codecserver lets Temporal's Web UI and CLI read encrypted payloads, for those who may: an HTTP endpoint in the worker.
package codecserver

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"go.temporal.io/sdk/converter"

	"rotor/internal/payload"
)

// Options say where it listens, and who may have payloads read.
type Options struct {
	// Address is host:port; "": there is no endpoint.
	Address string
	// Origins are those of Web UIs, separated by commas, like https://temporal.example.com. Pages of others are refused.
	Origins string
	// TokenFile holds a token that every request has to bear; "": none has to.
	TokenFile string
	// Certificate and Key are files; with them it speaks TLS.
	Certificate, Key string
	// AllowHTTP lets it listen elsewhere than on this machine without TLS.
	AllowHTTP bool
}

// Server is an endpoint that listens.
type Server struct {
	// URL is what a Web UI is to be told.
	URL  string
	http *http.Server
}

const (
	// largest is more than what the Web UI sends of one page of a history.
	largest       = 32 << 20
	readPatience  = 20 * time.Second
	writePatience = time.Minute
	closePatience = 2 * time.Second
)

// Start listens. What is wrong with the options is an error that names the setting.
func Start(keys *payload.Keys, o Options) (*Server, error) {
	if keys == nil {
		return nil, fmt.Errorf("ROTOR_CODEC_ADDRESS: there is nothing to read without keys; wanted: %s, too", payload.Setting)
	}
	host, _, err := net.SplitHostPort(o.Address)
	if err != nil {
		return nil, fmt.Errorf("ROTOR_CODEC_ADDRESS: %q is no address; wanted: host:port, like 127.0.0.1:8081", o.Address)
	}
	h := &handler{decode: http.MaxBytesHandler(converter.NewPayloadCodecHTTPHandler(keys.Codec()), largest)}
	if h.origins, err = origins(o.Origins); err != nil {
		return nil, err
	}
	if h.token, err = token(o.TokenFile); err != nil {
		return nil, err
	}
	s := &Server{http: &http.Server{Handler: h, ReadTimeout: readPatience, WriteTimeout: writePatience, MaxHeaderBytes: 64 << 10}}
	scheme := "http"
	switch {
	case (o.Certificate == "") != (o.Key == ""):
		return nil, errors.New("ROTOR_CODEC_CERTIFICATE and ROTOR_CODEC_KEY: wanted: both, or none")
	case o.Certificate != "":
		pair, err := tls.LoadX509KeyPair(o.Certificate, o.Key)
		if err != nil {
			return nil, fmt.Errorf("ROTOR_CODEC_CERTIFICATE and ROTOR_CODEC_KEY: %s and %s are no certificate and its key, as PEM", o.Certificate, o.Key)
		}
		scheme, s.http.TLSConfig = "https", &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
	case !loopback(host) && !o.AllowHTTP:
		return nil, fmt.Errorf("ROTOR_CODEC_ADDRESS: %s is not of this machine alone, and names would travel in the clear; wanted: ROTOR_CODEC_CERTIFICATE and "+
			"ROTOR_CODEC_KEY, or 127.0.0.1 behind a proxy, or ROTOR_ALLOW_HTTP", o.Address)
	}
	listener, err := net.Listen("tcp", o.Address)
	if err != nil {
		return nil, fmt.Errorf("ROTOR_CODEC_ADDRESS: can't listen at %s; is something else there?", o.Address)
	}
	s.URL = scheme + "://" + listener.Addr().String()
	go func() {
		if s.http.TLSConfig != nil {
			listener = tls.NewListener(listener, s.http.TLSConfig)
		}
		_ = s.http.Serve(listener) // it ends when the server is closed
	}()
	return s, nil
}

// Close lets requests that are being answered end.
func (s *Server) Close() {
	ctx, cancel := context.WithTimeout(context.Background(), closePatience)
	defer cancel()
	if s.http.Shutdown(ctx) != nil {
		_ = s.http.Close() // whoever still reads has had their time
	}
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

func origins(list string) (all []string, err error) {
	for origin := range strings.SplitSeq(list, ",") {
		origin = strings.TrimSpace(origin)
		if origin == "" {
			continue
		}
		u, err := url.Parse(origin)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || origin != u.Scheme+"://"+u.Host {
			return nil, fmt.Errorf("ROTOR_CODEC_ORIGINS: %q is no origin; wanted: scheme and host as a browser's address line has them, like https://temporal.example.com", origin)
		}
		all = append(all, origin)
	}
	return all, nil
}

// shortestToken is what can't be guessed, in Base64 or hex.
const shortestToken = 20

func token(file string) (string, error) {
	if file == "" {
		return "", nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return "", fmt.Errorf("ROTOR_CODEC_TOKEN_FILE: %s can't be read", file)
	}
	found := strings.TrimSpace(string(text))
	if len(found) < shortestToken || strings.ContainsAny(found, " \t\n") {
		return "", fmt.Errorf("ROTOR_CODEC_TOKEN_FILE: %s: wanted: one word of at least %d characters, as from: openssl rand -hex 32", file, shortestToken)
	}
	return found, nil
}

// handler lets through who may have payloads read.
type handler struct {
	decode  http.Handler
	origins []string
	token   string
}

func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	// A browser says whose page asks; the CLI says nothing.
	if origin := r.Header.Get("Origin"); origin != "" {
		if !slices.Contains(h.origins, origin) {
			http.Error(w, "pages of this origin may not read payloads; see ROTOR_CODEC_ORIGINS of the worker", http.StatusForbidden)
			return
		}
		headers := w.Header()
		headers.Add("Vary", "Origin")
		headers.Set("Access-Control-Allow-Origin", origin)
		headers.Set("Access-Control-Allow-Credentials", "true")
		headers.Set("Access-Control-Allow-Methods", "POST, OPTIONS")
		headers.Set("Access-Control-Allow-Headers", "Authorization, Content-Type, X-Namespace")
		// A browser asks first, and sends no token with that.
		if r.Method == http.MethodOptions {
			w.WriteHeader(http.StatusNoContent)
			return
		}
	}
	if h.token != "" && !h.bears(r) {
		w.Header().Set("WWW-Authenticate", "Bearer")
		http.Error(w, "wanted: the header Authorization: Bearer TOKEN, with the token of the worker's ROTOR_CODEC_TOKEN_FILE", http.StatusUnauthorized)
		return
	}
	w.Header().Set("Cache-Control", "no-store")
	h.decode.ServeHTTP(w, r)
}

func (h *handler) bears(r *http.Request) bool {
	given, is := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	wanted, got := sha256.Sum256([]byte(h.token)), sha256.Sum256([]byte(given))
	return subtle.ConstantTimeCompare(wanted[:], got[:]) == 1 && is
}
