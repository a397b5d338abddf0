-- +goose Up
-- Under which mapping everybody was planned last: a changed one is a plan of
-- its own (RO2).
ALTER TABLE workspace ADD COLUMN planned_hash TEXT NOT NULL DEFAULT '';
