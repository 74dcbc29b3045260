package main

import (
	"context"
	"fmt"
	"os"

	"github.com/jackc/pgx/v5"
)

// Runs statements on the database whose address a variable holds, as one transaction, and ends: what a drive's `migrate` runs.
func migrate(ctx context.Context, words []string) error {
	if len(words) != 2 {
		return fmt.Errorf("usage: portal migrate VARIABLE STATEMENTS")
	}
	connection, err := pgx.Connect(ctx, os.Getenv(words[0]))
	if err != nil {
		return err
	}
	defer connection.Close(context.WithoutCancel(ctx))
	// The simple protocol takes several statements at once, and PostgreSQL makes them one transaction.
	_, err = connection.Exec(ctx, words[1], pgx.QueryExecModeSimpleProtocol)
	return err
}
