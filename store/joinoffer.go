package store

import "github.com/rollcall-sync/rollcall/workspace"

// JoinOfferRow is what somebody has proved who may join and has not said yes
// yet. Sealed can be opened by the browser's secret alone.
type JoinOfferRow struct {
	Offer      string // hex SHA-256 of the browser's secret: the key
	Connection string
	Sealed     string
	ExpiresAt  workspace.Micros
}

const (
	insertJoinOffer = `INSERT INTO join_offer (workspace_id, offer, connection_id, sealed, expires_at) VALUES (?, ?, ?, ?, ?)`
	selectJoinOffer = `SELECT offer, connection_id, sealed, expires_at FROM join_offer WHERE workspace_id = ? AND offer = ?{lock}`
	deleteJoinOffer = `DELETE FROM join_offer WHERE workspace_id = ? AND offer = ?`
	pruneJoinOffers = `DELETE FROM join_offer WHERE workspace_id = ? AND expires_at < ?`
)

// InsertJoinOffer keeps an offer.
func (t *Tx) InsertJoinOffer(o JoinOfferRow) error {
	return t.exec(insertJoinOffer, t.ws, o.Offer, o.Connection, o.Sealed, o.ExpiresAt)
}

// JoinOffer finds an offer by its key; inside a unit of work the row is
// locked. It gives workspace.ErrNotFound for one that was used or never made.
func (r *Reader) JoinOffer(offer string) (JoinOfferRow, error) {
	scan := func(s scanner, o *JoinOfferRow) error {
		return s.Scan(&o.Offer, &o.Connection, &o.Sealed, &o.ExpiresAt)
	}
	return single(r, scan, selectJoinOffer, r.ws, offer)
}

// DeleteJoinOffer uses an offer up.
func (t *Tx) DeleteJoinOffer(offer string) error { return t.exec(deleteJoinOffer, t.ws, offer) }

// PruneJoinOffers forgets offers that ran out before a moment.
func (t *Tx) PruneJoinOffers(before workspace.Micros) error {
	return t.exec(pruneJoinOffers, t.ws, before)
}
