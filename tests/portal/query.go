package main

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
)

const patience = 8 * time.Second

// Runs statements on a connection of its own, so that a password that no longer works, or a server that is gone, is noticed
// at once.
func query(ctx context.Context, url, statements string) ([]map[string]any, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	connection, err := pgx.Connect(ctx, url)
	if err != nil {
		return nil, err
	}
	defer connection.Close(context.WithoutCancel(ctx))
	rows, err := connection.Query(ctx, statements, pgx.QueryExecModeSimpleProtocol)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToMap)
}
