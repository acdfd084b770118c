-- SPDX-License-Identifier: AGPL-3.0-or-later
-- The redirect URIs of clients, one a row, for those who ask which client has one. `client.redirect_uris` is what counts;
-- both are written in one transaction. One that is longer than any request may name is not kept.
CREATE TABLE client_redirect_uri (
    uri TEXT NOT NULL,
    client BIGINT NOT NULL REFERENCES client (id) ON DELETE CASCADE,
    PRIMARY KEY (uri, client)
);
CREATE INDEX client_redirect_uri_of_client ON client_redirect_uri (client);
-- sqlite:
INSERT INTO client_redirect_uri (uri, client)
WITH RECURSIVE cut (client, uri, rest) AS (
    SELECT id, '', redirect_uris || ' ' FROM client
    UNION ALL
    SELECT client, substr(rest, 1, instr(rest, ' ') - 1), substr(rest, instr(rest, ' ') + 1) FROM cut WHERE rest <> ''
)
SELECT DISTINCT uri, client FROM cut WHERE uri <> '' AND length(CAST(uri AS BLOB)) <= 2048;
-- postgres:
INSERT INTO client_redirect_uri (uri, client)
SELECT DISTINCT cut.uri, c.id FROM client c, unnest(string_to_array(c.redirect_uris, ' ')) AS cut (uri)
WHERE cut.uri <> '' AND octet_length(cut.uri) <= 2048;
