"""A Python client of the library requests, which tries again as `Retry-After` says."""

import unittest

import requests
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from server import PATIENCE, Server


class Patient(Retry):
    """Notes for how long it waits, and ends maintenance meanwhile."""

    server = None
    waited = []

    def sleep_for_retry(self, response):
        self.waited.append((response.status, self.get_retry_after(response)))
        self.server.switch(on=False)
        return super().sleep_for_retry(response)


def session(retry):
    new = requests.Session()
    new.mount("http://", HTTPAdapter(max_retries=retry))
    return new


class Requests(unittest.TestCase):
    def test_it_waits_as_long_as_it_is_told_and_then_is_served(self):
        with Server(RETRY_AFTER="2", RETRY_JITTER="0") as server:
            Patient.server = server
            reply = session(Patient(total=3)).get(f"http://{server.address}/", timeout=PATIENCE)
            self.assertEqual(Patient.waited, [(503, 2.0)])
            self.assertEqual(reply.status_code, 200)
            self.assertEqual([it.status for it in reply.raw.retries.history], [503])

    def test_it_sends_no_order_twice(self):
        with Server() as server:
            reply = session(Retry(total=3)).post(f"http://{server.address}/orders", data="1", timeout=PATIENCE)
            self.assertEqual(reply.status_code, 503)
            self.assertEqual(server.figure("http_requests_total"), 1)

    def test_it_reads_the_problem_as_json(self):
        with Server(MAINTENANCE_TITLE="Closed", MAINTENANCE_CONTACT="help@example.org", RETRY_AFTER="90") as server:
            reply = requests.get(f"http://{server.address}/orders", headers={"Accept": "application/json"}, timeout=PATIENCE)
            problem = reply.json()
            self.assertEqual(reply.headers["Maintenance-Mode"], "on")
            known = {key: problem[key] for key in ("title", "status", "retryAfter", "contact")}
            self.assertEqual(known, {"title": "Closed", "status": 503, "retryAfter": 90, "contact": "help@example.org"})
