package mysql

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"

	"rotor/internal/rotation"
)

// protection finds out how one login was protected.
type protection struct {
	mode rotation.TLSMode
	// version is of the TLS that was agreed on, 0 for none; cipher is the name of its cipher suite.
	version uint16
	cipher  string
	// unverified is why the server's certificate does not prove whose it is.
	unverified error
}

// config is the TLS configuration for a login to the host, nil for none. Preferred goes on with a certificate that can't be
// verified, as MySQL's own clients do, and remembers why.
func (p *protection) config(roots *x509.CertPool, host string) *tls.Config {
	if p.mode == rotation.TLSOff {
		return nil
	}
	host = strings.TrimSuffix(host, ".")
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		RootCAs:    roots,
		ServerName: host,
		// Then VerifyConnection does it; it also runs where crypto/tls has verified already.
		InsecureSkipVerify: p.mode == rotation.TLSPreferred,
		VerifyConnection: func(state tls.ConnectionState) error {
			p.version, p.cipher = state.Version, tls.CipherSuiteName(state.CipherSuite)
			if p.mode == rotation.TLSPreferred {
				p.unverified = verify(state, roots, host)
			}
			return nil
		},
	}
}

// verify does what crypto/tls does where it isn't told to skip it.
func verify(state tls.ConnectionState, roots *x509.CertPool, host string) error {
	options := x509.VerifyOptions{Roots: roots, DNSName: host, Intermediates: x509.NewCertPool()}
	for _, certificate := range state.PeerCertificates[1:] {
		options.Intermediates.AddCert(certificate)
	}
	_, err := state.PeerCertificates[0].Verify(options)
	return err
}

// words says how a login that got to the password was protected.
func (p *protection) words(keyGiven bool) string {
	if p.version != 0 {
		words := tls.VersionName(p.version)
		if p.unverified != nil {
			return words + ", not verified: " + certificateProblem(p.unverified)
		}
		return words + ", verified"
	}
	words := "none: the server offers no TLS"
	if p.mode == rotation.TLSOff {
		words = "none: SSL is false"
	}
	if keyGiven {
		// Who sits between can give a key of its own and read the password (caching_sha2_password, sha256_password).
		words += "; the password was encrypted with a key that came over the same connection, unverified"
	}
	return words
}

// tlsChoices ends every error about TLS.
const tlsChoices = "choices: add a file with the authority's certificate to " + CAVariable +
	", connect to the host name that the certificate is for, or set SSL to false to go without TLS"

// tlsFailure says why there is no TLS connection as it should be.
func (p *protection) tlsFailure(doing string) *rotation.Error {
	reason := "the TLS handshake failed; it takes TLS 1.2 or later, and a cipher that both sides have"
	if p.unverified != nil {
		reason = certificateProblem(p.unverified)
	}
	return rotation.Errorf(rotation.Permanent, "%s: %s", doing, reason).Advise("%s", tlsChoices).WithCode(codeTLS)
}

// certificateProblem says in own words why a certificate was not accepted.
func certificateProblem(err error) string {
	var host x509.HostnameError
	var authority x509.UnknownAuthorityError
	var invalid x509.CertificateInvalidError
	switch {
	case errors.As(err, &host):
		return fmt.Sprintf("the server's certificate is not for %q%s", host.Host, namesOf(host.Certificate))
	case errors.As(err, &authority):
		return "the server's certificate is signed by no authority that this worker knows"
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return "the server's certificate has expired or is not valid yet"
	}
	return "the server's certificate can't be verified"
}

// namesOf lists what a certificate is for, as far as that fits a line.
func namesOf(certificate *x509.Certificate) string {
	if certificate == nil {
		return ""
	}
	var names []string
	for _, name := range certificate.DNSNames {
		names = append(names, fmt.Sprintf("%q", name))
	}
	for _, ip := range certificate.IPAddresses {
		names = append(names, ip.String())
	}
	const most = 4
	switch {
	case len(names) == 0:
		return ", and names no host at all"
	case len(names) > most:
		names = append(names[:most], "...")
	}
	return ", but for " + strings.Join(names, ", ")
}
