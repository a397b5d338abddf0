// Command zitadelop is an OpenID provider for tests: the example server of
// github.com/zitadel/oidc on an address of its own. It runs until its standard
// input ends, so that it does not outlive the test that started it.
package main

import (
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/zitadel/oidc/v3/example/server/exampleop"
	"github.com/zitadel/oidc/v3/example/server/storage"
)

func main() {
	issuer := flag.String("issuer", "", "issuer, as the provider calls itself; http://ADDRESS/ if left out")
	redirect := flag.String("redirect", "", "redirect URI of the client")
	listen := flag.String("listen", "127.0.0.1:0", "address")
	key := flag.String("key", "", "file with the client's public key as a JWK: it proves itself with it, and not with a secret")
	flag.Parse()
	if err := run(*issuer, *redirect, *listen, *key); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(issuer, redirect, listen, key string) error {
	l, err := net.Listen("tcp", listen)
	if err != nil {
		return err
	}
	if issuer == "" {
		issuer = "http://" + l.Addr().String() + "/"
	}
	storage.RegisterClients(storage.WebClient("rollcall", "canary-zitadel-secret", redirect))
	users := storage.NewUserStore(issuer)
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	kept, err := newKeyed(storage.NewStorage(users), key)
	if err != nil {
		return err
	}
	handler := exampleop.SetupServer(issuer, kept, log, false)
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 5 * time.Second}
	go func() {
		_, err := io.Copy(io.Discard, os.Stdin)
		if err == nil {
			err = server.Close()
		}
		if err != nil {
			os.Exit(1)
		}
	}()
	fmt.Println(l.Addr())
	if err := server.Serve(l); err != http.ErrServerClosed {
		return err
	}
	return nil
}
