# SPDX-License-Identifier: AGPL-3.0-or-later
"""An address book as jmaplib, which its makers test against Stalwart, keeps one: made, filled, searched, kept up to date.

The environment names the home: URL, HOST (its address), CA, ADDRESS and PASSWORD. What it prints last is for the test.
"""

import os
import socket
import ssl

import httpx
from jmap.auth import BasicAuth
from jmap.client import JMAPClient
from jmap.sync import ChangeStream, QuerySpec, QueryView

PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d49444154789c6360f8cfc0000003010100"
    "c9fe92ef0000000049454e44ae426082"
)

find = socket.getaddrinfo
socket.getaddrinfo = lambda host, *rest, **more: find(os.environ["HOST"], *rest, **more)
http = httpx.Client(verify=ssl.create_default_context(cafile=os.environ["CA"]), follow_redirects=True)
auth = BasicAuth(os.environ["ADDRESS"], os.environ["PASSWORD"])


def one(client, call):
    with client.batch() as batch:
        handle = call(batch.contacts)
    return handle.result


with JMAPClient.connect(os.environ["URL"], auth=auth, http=http) as client:
    (book,) = one(client, lambda contacts: contacts.address_book.get(ids=None)).items
    assert book.is_default and book.my_rights.may_write and not book.my_rights.may_delete, book

    made = one(client, lambda contacts: contacts.address_book.set(create={"w": {"name": "Work"}}, onSuccessSetIsDefault="#w"))
    work = made.created["w"].id
    assert not made.has_errors and made.updated[book.id].is_default is False, made

    photo = client.upload(PIXEL, content_type="image/png")
    cards = {
        "ann": {
            "@type": "Card", "version": "1.0", "uid": "urn:uuid:03a0e51f-d1aa-4385-8a53-e29025acd8af",
            "addressBookIds": {work: True},
            "name": {"components": [{"kind": "given", "value": "Ann"}, {"kind": "surname", "value": "Zed"}], "isOrdered": True},
            "emails": {"e": {"address": "ann@b.example", "contexts": {"work": True}}},
            "media": {"p": {"kind": "photo", "blobId": photo.blob_id, "mediaType": "image/png"}},
            "example.com:shoeSize": 38,
        },
        "bob": {"addressBookIds": {work: True, book.id: True}, "name": {"full": "Bob Young"}},
    }
    made = one(client, lambda contacts: contacts.contact_card.set(create=cards))
    assert not made.has_errors, made
    ann, bob = made.created["ann"].id, made.created["bob"].id
    assert made.created["bob"].uid.startswith("urn:uuid:"), made

    got = {card.id: card for card in one(client, lambda contacts: contacts.contact_card.get(ids=None)).items}
    assert got[ann].emails["e"].address == "ann@b.example" and got[ann].jscontact("example.com:shoeSize") == 38, got[ann]
    assert sorted(got[bob].address_books) == sorted([work, book.id]), got[bob]
    shown = got[ann].photos()["p"]
    assert shown.is_blob_backed and client.download(shown.blob_id) == PIXEL, shown

    # A list that is kept up to date by what changed in it, and the list as it is.
    query = {"filter": {"inAddressBook": work}, "sort": [{"property": "created"}]}
    spec = QuerySpec.build("ContactCard", str(client.default_account), **query)
    view = QueryView.from_query(spec, one(client, lambda contacts: contacts.contact_card.query(**query)))
    assert view.known_ids == [ann, bob] or view.known_ids == [bob, ann], view
    stream = ChangeStream(client, "ContactCard")
    stream.seed(one(client, lambda contacts: contacts.contact_card.get(ids=[])).state)
    changed = one(
        client,
        lambda contacts: contacts.contact_card.set(
            create={"eve": {"addressBookIds": {work: True}, "kind": "org", "created": "2000-01-01T00:00:00Z"}},
            update={bob: {f"addressBookIds/{work}": None}, ann: {"notes": {"n": {"note": "likes rye bread"}}}},
        ),
    )
    assert not changed.has_errors, changed
    eve = changed.created["eve"].id
    since = view.query_state
    view.apply(one(client, lambda contacts: contacts.contact_card.query_changes(since_query_state=since, **query)))
    assert view.known_ids == [eve, ann] == one(client, lambda contacts: contacts.contact_card.query(**query)).ids, view
    news = stream.catch_up(max_changes=1)
    assert (sorted(news.created), sorted(news.updated)) == ([eve], sorted([ann, bob])), news

    found = one(client, lambda contacts: contacts.contact_card.query(filter={"text": '"rye bread" ann'}))
    assert found.ids == [ann], found
    refused = one(client, lambda contacts: contacts.contact_card.set(update={ann: {"uid": None}, bob: {"id": "x"}}))
    assert {key: error["properties"] for key, error in refused.not_updated.items()} == {ann: ["uid"], bob: ["id"]}, refused

    kept = one(client, lambda contacts: contacts.address_book.set(destroy=[book.id]))
    assert kept.not_destroyed[book.id]["type"] == "addressBookHasContents", kept
    gone = one(client, lambda contacts: contacts.address_book.set(destroy=[book.id], onDestroyRemoveContents=True))
    assert gone.destroyed == [book.id], gone
    left = one(client, lambda contacts: contacts.contact_card.query())
    assert sorted(left.ids) == sorted([ann, eve]), left
    print(f"{len(left.ids)} cards are left")
