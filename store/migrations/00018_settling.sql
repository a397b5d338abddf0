-- +goose Up
-- When a connection made its first member since that is counted: with
-- settled_at it tells whether its new members count against the brake (VW13).
ALTER TABLE connection ADD COLUMN first_create_at BIGINT NOT NULL DEFAULT 0;
