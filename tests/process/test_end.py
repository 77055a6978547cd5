"""However the service ends: no process is left behind, nothing acknowledged is lost."""

from __future__ import annotations

import os
import signal

import pytest

from quotasvc.v1 import decision_pb2
from tests.support.service import Service, is_alive, quotasvc, wait_until


def test_ctrl_c_leaves_no_process_and_every_balance(service: Service) -> None:
    service.start()
    store_pid = service.store_pid
    api_key = service.demo_keys()["acme_k1"]["api_key"]
    committed = service.commit(service.decide("r1", api_key, 1_000_000).reservation_id)
    assert committed.charged_nanos == 1_200_000_000
    service.decide("r2", api_key, 1_000_000)  # stays held
    before = service.remains(api_key)
    # when
    assert service.signal(signal.SIGINT) == 0
    # then nothing is left, and nothing ugly was said
    assert not is_alive(store_pid)
    assert "Traceback" not in service.log
    assert service.presence == {}
    # and after another start everything is as it was
    service.start()
    after = service.remains(api_key)
    for bars in (before, after):
        for allowance in bars.allowances:
            for window in allowance.windows:
                window.ClearField("reset_time")
    assert after == before


def test_kill_9_of_the_service_ends_its_store_too(service: Service) -> None:
    service.start()
    store_pid = service.store_pid
    api_key = service.demo_keys()["acme_k3"]["api_key"]
    service.commit(service.decide("r1", api_key, 500_000).reservation_id)
    before = service.lots(api_key)
    # when
    service.signal(signal.SIGKILL)
    # then
    wait_until(lambda: not is_alive(store_pid), "the store ends")
    # and what was acknowledged is there after the next start
    service.start()
    assert service.lots(api_key) == before


def test_the_service_comes_back_when_its_store_is_killed(service: Service) -> None:
    service.start()
    api_key = service.demo_keys()["acme_k3"]["api_key"]
    service.commit(service.decide("r1", api_key, 500_000).reservation_id)
    before, store_pid = service.lots(api_key), service.store_pid
    # when
    os.kill(store_pid, signal.SIGKILL)
    wait_until(lambda: not is_alive(store_pid), "the store is dead")
    # then there is another one, with the same data, and calls are served again
    wait_until(lambda: service.store_pid != store_pid, "the store is started again")
    wait_until(lambda: service.health() == "SERVING", "health is well again")
    assert service.lots(api_key) == before
    assert service.decide("r2", api_key, 1_000).decision == decision_pb2.ALLOW


def test_a_second_service_on_the_same_data_is_refused(service: Service) -> None:
    service.start()
    arguments = ("serve", "--data", str(service.data), "--listen", "127.0.0.1:0")
    told = quotasvc(*arguments, "--admin", "127.0.0.1:0", home=service.home)
    assert told.returncode == 4
    assert str(service.process.pid if service.process else 0) in told.stderr.splitlines()[-1]
    assert "Traceback" not in told.stderr
    # and the first one does not mind
    assert service.health() == "SERVING"
    assert service.presence != {}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_during_the_start_ends_it(service: Service, number: signal.Signals) -> None:
    # given a service that is about to start its store
    pid = str(service.launch())
    lock = service.data / "service.lock"
    wait_until(lambda: lock.exists() and lock.read_text() == pid, "the start has begun")
    # when
    code = service.signal(number)
    # then
    assert (code, "Traceback" in service.log) == (0, False), service.log
    assert service.presence == {}
