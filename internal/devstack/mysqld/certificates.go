package mysqld

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
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
	authorityKey, err := s.makeKey()
	if err != nil {
		return fmt.Errorf("make a key: %w", err)
	}
	serverKey, err := s.makeKey()
	if err != nil {
		return fmt.Errorf("make a key: %w", err)
	}
	authority := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Rotor development authority"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(0, 0, 30),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	// Key encipherment is for the RSA key exchange of old servers.
	server := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "Rotor development server"},
		NotBefore: authority.NotBefore, NotAfter: authority.NotAfter,
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	authorityDER, err := x509.CreateCertificate(rand.Reader, authority, authority, authorityKey.Public(), authorityKey)
	if err != nil {
		return fmt.Errorf("sign the authority's certificate: %w", err)
	}
	serverDER, err := x509.CreateCertificate(rand.Reader, server, authority, serverKey.Public(), authorityKey)
	if err != nil {
		return fmt.Errorf("sign the server's certificate: %w", err)
	}
	keyBlock, err := writeKey(serverKey)
	if err != nil {
		return fmt.Errorf("write the server's key: %w", err)
	}
	s.CAFile = s.workspace.Path("ca.pem")
	for _, file := range []struct {
		path  string
		block *pem.Block
	}{
		{s.CAFile, &pem.Block{Type: "CERTIFICATE", Bytes: authorityDER}},
		{s.workspace.Path("server.pem"), &pem.Block{Type: "CERTIFICATE", Bytes: serverDER}},
		{s.workspace.Path("server-key.pem"), keyBlock},
	} {
		if err := os.WriteFile(file.path, pem.EncodeToMemory(file.block), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// makeKey makes the quickest key that the server's TLS library can read.
func (s *Server) makeKey() (crypto.Signer, error) {
	if s.Flavour == MySQL && !s.build.atLeast(5, 7, 0) {
		return rsa.GenerateKey(rand.Reader, 2048)
	}
	return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
}

// writeKey encodes a private key in the form that all servers read: yaSSL, in 5.6, knows only the oldest.
func writeKey(key crypto.Signer) (*pem.Block, error) {
	if key, ok := key.(*rsa.PrivateKey); ok {
		return &pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}, nil
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	return &pem.Block{Type: "PRIVATE KEY", Bytes: der}, err
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
