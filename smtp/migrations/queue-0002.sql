-- RFC 8689: no server on the way may take the message without TLS.
ALTER TABLE message ADD COLUMN require_tls BOOLEAN NOT NULL DEFAULT FALSE;
