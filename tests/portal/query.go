package main

import (
	"context"
	"sync"
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

// A database is connected to when the program starts, and again only when that connection broke: a login that stops working
// later is not noticed before.
type database struct {
	url        string
	mutex      sync.Mutex
	connection *pgx.Conn
}

func (it *database) query(ctx context.Context, statements string) ([]map[string]any, error) {
	it.mutex.Lock()
	defer it.mutex.Unlock()
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if it.connection == nil || it.connection.IsClosed() {
		connection, err := pgx.Connect(ctx, it.url)
		if err != nil {
			return nil, err
		}
		it.connection = connection
	}
	rows, err := it.connection.Query(ctx, statements, pgx.QueryExecModeSimpleProtocol)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToMap)
}
