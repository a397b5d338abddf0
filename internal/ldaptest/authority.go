package ldaptest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// Authority is a certificate authority with the files of a server and of a
// client named cn=rollcall-client.
type Authority struct {
	CAFile, CertFile, KeyFile   string
	ClientCertFile, ClientKey   string
	ExpiredCert, ExpiredCertKey string
}

func newAuthority(t testing.TB, hosts ...string) Authority {
	t.Helper()
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	a := Authority{
		CAFile: at("ca.pem"), CertFile: at("server.pem"), KeyFile: at("server.key"), ClientCertFile: at("client.pem"), ClientKey: at("client.key"),
		ExpiredCert: at("expired.pem"), ExpiredCertKey: at("expired.key"),
	}
	ca := &x509.Certificate{Subject: pkix.Name{CommonName: "Acme test CA"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	caKey := issue(t, ca, nil, nil, a.CAFile, at("ca.key"), time.Hour)
	server := func(cert, key string, life time.Duration) {
		c := &x509.Certificate{
			Subject: pkix.Name{CommonName: hosts[0]}, KeyUsage: x509.KeyUsageDigitalSignature,
			ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		}
		for _, h := range hosts {
			if ip := net.ParseIP(h); ip != nil {
				c.IPAddresses = append(c.IPAddresses, ip)
			} else {
				c.DNSNames = append(c.DNSNames, h)
			}
		}
		issue(t, c, ca, caKey, cert, key, life)
	}
	server(a.CertFile, a.KeyFile, time.Hour)
	server(a.ExpiredCert, a.ExpiredCertKey, -time.Minute)
	client := &x509.Certificate{
		Subject: pkix.Name{CommonName: "rollcall-client"}, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	issue(t, client, ca, caKey, a.ClientCertFile, a.ClientKey, time.Hour)
	return a
}

// issue makes a key and a certificate that ends after life, and writes both.
func issue(t testing.TB, c, parent *x509.Certificate, signer *ecdsa.PrivateKey, cert, keyFile string, life time.Duration) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if c.SerialNumber, err = rand.Int(rand.Reader, big.NewInt(1<<62)); err != nil {
		t.Fatal(err)
	}
	c.NotBefore, c.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(life)
	if parent == nil {
		parent, signer = c, key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, &key.PublicKey, signer)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for file, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: der}, keyFile: {Type: "PRIVATE KEY", Bytes: secret}} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return key
}
