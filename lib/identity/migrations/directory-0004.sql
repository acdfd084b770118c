-- Addresses that a person had made for one correspondent. locked_to is the domain that alone may write to it: that of the
-- first mail's From when `locks`.
CREATE TABLE masked_address (
    address_key TEXT NOT NULL PRIMARY KEY REFERENCES address (address_key) ON DELETE CASCADE,
    label TEXT NOT NULL,
    locks BOOLEAN NOT NULL,
    locked_to TEXT,
    off BOOLEAN NOT NULL
);
