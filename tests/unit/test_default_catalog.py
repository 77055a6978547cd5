"""The default catalog says what the seeds say: each number with the rule or fact it comes from."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from quotasvc.catalog import DEFAULT_CATALOG, load_catalog
from quotasvc.domain.catalog import (
    AlignedPeriod,
    Allowance,
    CreditPackage,
    OnExpiry,
    Overflow,
    PeakMode,
    Plan,
    Straddle,
    WindowKind,
)
from quotasvc.domain.unit import COST

CATALOG = load_catalog(DEFAULT_CATALOG)
DOLLAR = 1_000_000_000
HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS

NEW = ("plus", "max", "ultra")
STANDARD = ("starter-legacy", "plus-legacy", "max-legacy")
HIGHSPEED = ("plus-hs-legacy", "max-hs-legacy", "ultra-hs-legacy")
LEGACY = (*STANDARD, *HIGHSPEED)


def plan(plan_id: str) -> Plan:
    return CATALOG.plans[plan_id]


def allowance(plan_id: str, resource: str) -> Allowance:
    found = plan(plan_id).allowance_for(resource)
    assert found is not None
    return found


def limits(found: Allowance) -> dict[str, int | None]:
    return {window.window_id: window.limit for window in found.windows}


# Plans


def test_both_generations_are_there() -> None:
    # E1, E4
    assert tuple(CATALOG.plans) == (*NEW, *LEGACY)


@pytest.mark.parametrize(
    ("plan_id", "dollars"),
    [
        # E1 (S3:13, S4:19)
        *(("plus", 20), ("max", 50), ("ultra", 120)),
        # 2.4, the migration guide
        *(("starter-legacy", 10), ("plus-legacy", 20), ("max-legacy", 50)),
        *(("plus-hs-legacy", 40), ("max-hs-legacy", 80), ("ultra-hs-legacy", 150)),
    ],
)
def test_prices_of_plans(plan_id: str, dollars: int) -> None:
    assert plan(plan_id).price_nanos == dollars * DOLLAR


def test_only_the_new_plans_are_sold() -> None:
    # 2.4: the old ones are "only available to existing subscribers"
    assert [plan_id for plan_id, one in CATALOG.plans.items() if one.sellable] == list(NEW)


def test_lines() -> None:
    # E4, I1: upgrades go up within a line, or from standard to high-speed
    assert {plan(plan_id).line for plan_id in NEW} == {"shared"}
    assert {plan(plan_id).line for plan_id in STANDARD} == {"standard"}
    assert {plan(plan_id).line for plan_id in HIGHSPEED} == {"highspeed"}


def test_credits_pay_overflow_without_being_asked() -> None:
    # B2 (S0:23)
    assert {one.overflow for one in CATALOG.plans.values()} == {Overflow.CREDITS_AUTO}


def test_agents_are_display_text() -> None:
    # E3 (S3:16)
    assert [plan(plan_id).agents for plan_id in NEW] == ["3-4", "4-5", "6-7"]


def test_peak_caps_are_those_of_the_old_tiers() -> None:
    # J5 (S1:125-127): Starter and Plus 1, Max 2, Ultra 4
    caps = {plan_id: one.peak_concurrency for plan_id, one in CATALOG.plans.items()}
    assert [caps[plan_id] for plan_id in NEW] == [None, None, None]
    assert [caps[plan_id] for plan_id in STANDARD] == [1, 1, 2]
    assert [caps[plan_id] for plan_id in HIGHSPEED] == [1, 2, 4]


# The new model: one shared bar


@pytest.mark.parametrize("plan_id", NEW)
def test_one_bar_at_list_price_is_shared(plan_id: str) -> None:
    # D5, D7 (S3:11, S4:9): text, image, speech and music share one quota
    shared = allowance(plan_id, "text/m3")
    assert (shared.unit, shared.straddle) == (COST, Straddle.SPLIT)
    families = {resource.partition("/")[0] for resource in shared.resources}
    assert families == {"text", "image", "speech", "music", "vlm", "tool"}


@pytest.mark.parametrize("plan_id", NEW)
def test_all_covered_models_are_in_the_new_plans(plan_id: str) -> None:
    # E2 (S3:17): "All models on the API Platform"
    for resource_id, resource in CATALOG.resources.items():
        assert (plan(plan_id).allowance_for(resource_id) is not None) is resource.covered


@pytest.mark.parametrize(
    ("plan_id", "nanos"),
    [("plus", 2_830_000_000), ("max", 9_440_000_000), ("ultra", 17_600_000_000)],
)
def test_five_hours_and_a_week_of_ten_times_as_much(plan_id: str, nanos: int) -> None:
    # C7 (S3:15), C5 (S1:128); the figures themselves are a GUESS
    five_hours, week = allowance(plan_id, "text/m3").windows
    assert (five_hours.kind, five_hours.length_ms) == (WindowKind.SLIDING, 5 * HOUR_MS)
    assert (week.kind, week.period) == (WindowKind.ALIGNED, AlignedPeriod.WEEK)
    assert (five_hours.limit, week.limit) == (nanos, 10 * nanos)
    # no seat of the new model is exempt from its week
    assert week.purchased_from_ms is None


@pytest.mark.parametrize(
    ("plan_id", "expected"),
    [
        ("plus", {"day": 0}),  # 2.1: not in this plan
        ("max", {"day": 3, "week": 21}),  # 2.1, 2.3
        ("ultra", {"day": 5, "week": 35}),  # the tier is a GUESS
    ],
)
def test_video_is_counted_in_clips(plan_id: str, expected: dict[str, int]) -> None:
    # M5
    video = allowance(plan_id, "video/hailuo-2.3")
    assert (video.unit, limits(video)) == ("clips", expected)


# The old model: requests for text, daily quotas for the rest


@pytest.mark.parametrize(
    ("plan_id", "requests"),
    [
        *(("starter-legacy", 1_500), ("plus-legacy", 4_500), ("max-legacy", 15_000)),
        *(("plus-hs-legacy", 4_500), ("max-hs-legacy", 15_000), ("ultra-hs-legacy", 30_000)),
    ],
)
def test_text_is_counted_in_requests_of_five_hours(plan_id: str, requests: int) -> None:
    # C1, D1 (S1:79, S1:102), C5 (S1:128); figures 2.4
    text = allowance(plan_id, "text/m2.7")
    assert (text.unit, text.straddle) == ("requests", Straddle.STRICT)
    assert limits(text) == {"five_hour_sliding": requests, "week": 10 * requests}
    assert text.windows[0].kind is WindowKind.SLIDING


@pytest.mark.parametrize("plan_id", LEGACY)
def test_seats_bought_before_the_cutoff_have_no_week(plan_id: str) -> None:
    # C6, J6, J7 (S1:129-130): one instant, 2026-03-23T00:00 in China
    cutoff = datetime(2026, 3, 23, tzinfo=UTC) - timedelta(hours=8)
    five_hours, week = allowance(plan_id, "text/m2.7").windows
    assert five_hours.purchased_from_ms is None
    assert week.purchased_from_ms == int(cutoff.timestamp()) * 1_000


@pytest.mark.parametrize("plan_id", LEGACY)
def test_an_api_vlm_request_deducts_three(plan_id: str) -> None:
    # D2, D3 (S1:107): from the text quota, high-speed or not
    text = allowance(plan_id, "vlm/api-vlm")
    assert text is allowance(plan_id, "text/m2.7")
    assert text.weights == {"vlm/api-vlm": 3}


@pytest.mark.parametrize("plan_id", HIGHSPEED)
@pytest.mark.parametrize("resource", ["text/m2.7-highspeed", "text/m2.5-highspeed"])
def test_high_speed_plans_have_the_high_speed_models(plan_id: str, resource: str) -> None:
    # E6 (S1:28); they share the text quota (C4)
    assert allowance(plan_id, resource) is allowance(plan_id, "text/m2.7")


@pytest.mark.parametrize("plan_id", STANDARD)
def test_standard_plans_do_not(plan_id: str) -> None:
    assert plan(plan_id).allowance_for("text/m2.7-highspeed") is None


@pytest.mark.parametrize(
    ("resource", "unit", "per_day"),
    [
        ("speech/hd", "characters", (None, 4_000, 11_000, 9_000, 19_000, 50_000)),
        ("image/image-01", "images", (None, 50, 120, 100, 200, 800)),
        ("video/hailuo-2.3-fast", "clips", (None, None, 2, None, 3, 5)),
        ("video/hailuo-2.3", "clips", (None, None, 2, None, 3, 5)),
        ("music/music-2.6", "songs", (100,) * 6),
    ],
)
def test_daily_quotas(resource: str, unit: str, per_day: tuple[int | None, ...]) -> None:
    # C3, D4, E8 (S1:29-33, S1:80); figures 2.4; None is "-" (E7)
    for plan_id, limit in zip(LEGACY, per_day, strict=True):
        found = plan(plan_id).allowance_for(resource)
        if limit is None:
            assert found is None
        else:
            assert found is not None
            assert (found.unit, limits(found)) == (unit, {"day": limit})
            # C4: each non-text model has a quota of its own
            assert found.resources == {resource}


def test_days_and_weeks_are_the_calendars() -> None:
    # C9; 2.2: midnight and Monday in the catalog's zone
    windows = [w for p in CATALOG.plans.values() for a in p.allowances for w in a.windows]
    assert {w.anchor for w in windows if w.kind is WindowKind.ALIGNED} == {"day-UTC", "week0-UTC"}


# Coverage and resources


def test_one_family_is_for_pay_as_you_go_keys_only() -> None:
    # B4, B10
    outside = [one for one, resource in CATALOG.resources.items() if not resource.covered]
    assert outside == ["voice/clone"]
    assert CATALOG.resources["voice/clone"].rows[0].nanos == {"voices": 1.5 * DOLLAR}


@pytest.mark.parametrize(
    ("resource", "prices"),
    [
        # dollars per million tokens: input, output, cache read, cache write (2.5)
        ("text/m3", ("0.30", "1.20", "0.06", "0.375")),
        ("text/m2.7", ("0.30", "1.20", "0.06", "0.375")),
        ("text/m2.7-highspeed", ("0.60", "2.40", "0.06", "0.375")),
        ("text/m2.5", ("0.30", "1.20", "0.03", "0.375")),
        ("text/m2.5-highspeed", ("0.60", "2.40", "0.03", "0.375")),
    ],
)
def test_list_prices_of_text(resource: str, prices: tuple[str, ...]) -> None:
    row = CATALOG.resources[resource].rows[0]
    units = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens")
    assert row.per == 1_000_000
    assert dict(row.nanos) == {
        unit: int(price.replace(".", "").ljust(len(price.partition(".")[0]) + 9, "0"))
        for unit, price in zip(units, prices, strict=True)
    }


@pytest.mark.parametrize(
    ("resource", "unit", "per", "nanos"),
    [
        # 2.5
        ("speech/hd", "characters", 1_000_000, 100 * DOLLAR),
        ("speech/turbo", "characters", 1_000_000, 60 * DOLLAR),
        ("image/image-01", "images", 1, 3_500_000),
        ("music/music-2.6", "songs", 1, 150_000_000),
        ("music/music-2.6-free", "songs", 1, 0),
        ("music/lyrics", "songs", 1, 10_000_000),
        ("tool/web_search", "requests", 1, 10_000_000),
    ],
)
def test_list_prices_of_the_rest(resource: str, unit: str, per: int, nanos: int) -> None:
    (row,) = CATALOG.resources[resource].rows
    assert (row.per, dict(row.nanos)) == (per, {unit: nanos})


# Credits, teams, and what is not in force yet


def test_credits() -> None:
    # D8, G13, G11 (S4:29-37)
    assert CATALOG.credits.per_currency_unit == 1_000
    assert CATALOG.credits.nanos_per_credit == 1_000_000
    assert CATALOG.credits.validity_ms == 365 * DAY_MS
    assert CATALOG.credits.packages == (
        CreditPackage(price_nanos=5 * DOLLAR, credits=5_000),
        CreditPackage(price_nanos=25 * DOLLAR, credits=25_000),
        CreditPackage(price_nanos=100 * DOLLAR, credits=100_000),
    )


def test_no_package_has_a_bonus() -> None:
    # G13
    for package in CATALOG.credits.packages:
        assert package.credits * CATALOG.credits.nanos_per_credit == package.price_nanos


def test_team_rules() -> None:
    rules = CATALOG.team_rules
    assert rules.max_members == 100  # L1
    assert rules.max_seats == 100  # L2
    assert rules.max_payg_keys_per_user == 5  # L3
    assert rules.max_plans_per_member == 1  # L5
    assert rules.credits_access_default  # N7
    assert rules.seat_change == "adjustable"  # I4
    assert rules.renewal_grace_ms == DAY_MS  # SEM-42


def test_keys_are_called_as_on_the_platform() -> None:
    # A16 (S3:24-25)
    assert dict(CATALOG.key_labels) == {"subscription": "Subscription Key", "payg": "API Key"}


def test_peak_hours() -> None:
    # J4 (S1:124): weekdays 15:00-17:30
    peak = CATALOG.peak
    assert peak.weekdays == (0, 1, 2, 3, 4)
    assert (peak.from_minute, peak.until_minute) == (15 * 60, 17 * 60 + 30)
    assert (peak.zone, peak.mode) == ("Asia/Shanghai", PeakMode.AUTO)


def test_a_hold_that_nobody_settles_is_given_back() -> None:
    # SEM-30
    assert {one.on_expiry for one in CATALOG.plans.values()} == {OnExpiry.RELEASE}


def test_rate_limits() -> None:
    # 2.6
    rows = {r.rate_limit_id: (r.rpm, r.tpm, r.connections) for r in CATALOG.rate_limits}
    assert rows == {
        "m3": (200, 10_000_000, None),
        "m2": (500, 20_000_000, None),
        "speech": (60, None, None),
        "video": (5, None, None),
        "image": (10, None, None),
        "music": (120, None, 20),
        "music-free": (3, None, None),
    }
    assert {r.peak_permille for r in CATALOG.rate_limits} == {1000}


def test_money_and_zone() -> None:
    # N3, 2.2
    assert (CATALOG.currency, CATALOG.zone, CATALOG.label) == ("USD", "UTC", "2026-11-global")
