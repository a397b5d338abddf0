-- +goose Up
-- Whether something that the mapping wants for a member was denied, is held or
-- cannot be had yet: such a member is planned again whenever their record
-- is written, others only when a rule could tell the difference.
ALTER TABLE member ADD COLUMN unsettled BOOLEAN NOT NULL DEFAULT TRUE;
