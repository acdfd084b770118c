# SPDX-License-Identifier: AGPL-3.0-or-later
"""Lets scim2-tester look at our SCIM: one JSON line with what it found, by status.

In the environment: BASE, TOKEN.
"""
import json
import os
import ssl

from httpx2 import Client
from scim2_client.engines.httpx2 import SyncSCIMClient
from scim2_tester import check_server

verify = ssl.create_default_context(cafile=os.environ["REQUESTS_CA_BUNDLE"])
headers = {"Authorization": "Bearer " + os.environ["TOKEN"]}
client = Client(base_url=os.environ["BASE"], headers=headers, verify=verify, timeout=30)
found = {}
for result in check_server(SyncSCIMClient(client)):
    found.setdefault(result.status.name, []).append(f"{result.title}: {result.reason}")
print(json.dumps(found))
