// Makes a MinIO user who may do what a policy allows and nothing else, because MinIO's admin API encrypts what it is
// sent and nothing but its own Go client speaks that.
//
//	MINIO_ADMIN=http://ACCESS:SECRET@HOST:PORT minio-user ACCESS SECRET <policy.json
//
// SSL_CERT_FILE names the authority to trust when the server has a certificate of a private one.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"time"

	"github.com/minio/madmin-go/v3"
)

func main() {
	if err := run(os.Args[1:], os.Stdin); err != nil {
		fmt.Fprintln(os.Stderr, "minio-user:", err)
		os.Exit(1)
	}
}

func run(arguments []string, policy io.Reader) error {
	if len(arguments) != 2 {
		return errors.New("usage: minio-user ACCESS SECRET <policy.json")
	}
	access, secret := arguments[0], arguments[1]
	server, err := url.Parse(os.Getenv("MINIO_ADMIN"))
	if err != nil {
		return fmt.Errorf("MINIO_ADMIN: %w", err)
	}
	password, _ := server.User.Password()
	admin, err := madmin.New(server.Host, server.User.Username(), password, server.Scheme == "https")
	if err != nil {
		return err
	}
	text, err := io.ReadAll(policy)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := admin.AddCannedPolicy(ctx, access, text); err != nil {
		return fmt.Errorf("adding the policy: %w", err)
	}
	if err := admin.AddUser(ctx, access, secret); err != nil {
		return fmt.Errorf("adding the user: %w", err)
	}
	_, err = admin.AttachPolicy(ctx, madmin.PolicyAssociationReq{Policies: []string{access}, User: access})
	if err != nil {
		return fmt.Errorf("attaching the policy: %w", err)
	}
	return nil
}
