-- +goose Up
-- Whether somebody waits for nothing but a number, and what the inventory was
-- when the people of a connection who do were tried last: while no number has
-- moved, trying them again changes nothing.
ALTER TABLE waiting ADD COLUMN for_number BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE poll_state ADD COLUMN stock TEXT NOT NULL DEFAULT '';
