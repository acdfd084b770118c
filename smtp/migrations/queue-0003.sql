-- SPDX-License-Identifier: AGPL-3.0-or-later
-- queue, step 3: what other servers report about mail of our domains. kind: dmarc, tls, failure, abuse.
CREATE TABLE report (
    id BIGINT NOT NULL PRIMARY KEY,
    fingerprint TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL,
    domain TEXT NOT NULL,
    reporter TEXT NOT NULL,
    begins_at BIGINT NOT NULL,
    ends_at BIGINT NOT NULL,
    received_at BIGINT NOT NULL,
    good BIGINT NOT NULL,
    bad BIGINT NOT NULL
);
CREATE INDEX report_of_domain ON report (domain, received_at);
CREATE INDEX report_by_age ON report (received_at);

CREATE TABLE report_line (
    report BIGINT NOT NULL REFERENCES report (id) ON DELETE CASCADE,
    position BIGINT NOT NULL,
    source TEXT NOT NULL,
    count BIGINT NOT NULL,
    good BOOLEAN NOT NULL,
    says TEXT NOT NULL,
    PRIMARY KEY (report, position)
);
