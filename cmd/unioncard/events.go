package main

import (
	"context"
	"errors"
	"strconv"
	"strings"

	"unioncard/card/union/event"
	"unioncard/merchant"
)

// newChainer links this node's share of the event log.
func (n *node) newChainer() *event.Chainer {
	return event.NewChainer(n.pool, event.ChainerOptions{Logger: n.log, Union: n.unionOf})
}

// unionOf is the union that answers for an object, false without one.
func (n *node) unionOf(ctx context.Context, kind string, id int64) (int64, bool, error) {
	if !merchant.Locatable(kind) {
		return 0, false, nil
	}
	path, err := merchant.Locate(ctx, n.pool, kind, id)
	switch {
	case err == nil:
	case errors.Is(err, merchant.ErrNotFound):
		return 0, false, nil
	case ctx.Err() != nil || merchant.Unavailable(err):
		return 0, false, err
	default: // else one bad kind would hold up all others
		n.log.Error("event without its union", "kind", kind, "id", id, "error", err)
		return 0, false, nil
	}
	path = strings.TrimSuffix(path, "/")
	union, err := strconv.ParseInt(path[strings.LastIndexByte(path, '/')+1:], 10, 64)
	return union, err == nil, err
}
