package mysqld

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"time"
)

// makeCertificates writes a new authority's certificate, and a server certificate and key signed by it.
func (s *Server) makeCertificates() error {
	authorityKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return fmt.Errorf("make a key: %w", err)
	}
	serverKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return fmt.Errorf("make a key: %w", err)
	}
	authority := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Rotor development authority"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(0, 0, 30),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	server := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "Rotor development server"},
		NotBefore: authority.NotBefore, NotAfter: authority.NotAfter,
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	authorityDER, err := x509.CreateCertificate(rand.Reader, authority, authority, authorityKey.Public(), authorityKey)
	if err != nil {
		return fmt.Errorf("sign the authority's certificate: %w", err)
	}
	serverDER, err := x509.CreateCertificate(rand.Reader, server, authority, serverKey.Public(), authorityKey)
	if err != nil {
		return fmt.Errorf("sign the server's certificate: %w", err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(serverKey)
	if err != nil {
		return fmt.Errorf("write the server's key: %w", err)
	}
	s.CAFile = s.workspace.Path("ca.pem")
	for _, file := range []struct {
		path, kind string
		der        []byte
	}{
		{s.CAFile, "CERTIFICATE", authorityDER},
		{s.workspace.Path("server.pem"), "CERTIFICATE", serverDER},
		{s.workspace.Path("server-key.pem"), "PRIVATE KEY", keyDER},
	} {
		text := pem.EncodeToMemory(&pem.Block{Type: file.kind, Bytes: file.der})
		if err := os.WriteFile(file.path, text, 0o600); err != nil {
			return err
		}
	}
	return nil
}

// tlsArgs switch TLS on with our certificates, or off.
func (s *Server) tlsArgs() []string {
	if s.options.TLS {
		return []string{
			"--ssl-ca=" + s.CAFile,
			"--ssl-cert=" + s.workspace.Path("server.pem"),
			"--ssl-key=" + s.workspace.Path("server-key.pem"),
		}
	}
	if s.Flavour == MySQL && s.build.atLeast(8, 0, 16) {
		return []string{"--tls-version="} // --skip-ssl is gone in newer ones, and no version means no TLS
	}
	return []string{"--skip-ssl"}
}
