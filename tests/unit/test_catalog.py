"""A catalog is read exactly as it is written."""

from __future__ import annotations

import json
import pathlib

import jsonschema
import pytest
import yaml

from quotasvc.catalog import DEFAULT_CATALOG, CatalogFault, load_catalog, parse_catalog
from quotasvc.catalog.schema import json_schema_text
from quotasvc.domain.catalog import (
    AlignedPeriod,
    Allowance,
    Catalog,
    OnExpiry,
    PeakMode,
    Straddle,
    WindowKind,
)
from tests.unit.catalog_text import DEFAULT, catalog, changed, refusal, section

HOUR_MS = 3_600_000


def allowance(made: Catalog, plan_id: str, allowance_id: str) -> Allowance:
    return next(a for a in made.plans[plan_id].allowances if a.allowance_id == allowance_id)


# Files


def test_a_file_is_read_as_its_text(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_bytes(DEFAULT.encode())
    assert load_catalog(path) == parse_catalog(DEFAULT, source="")


def test_a_problem_names_its_file(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "mine.yaml"
    for content in (b"label: \xff", b"label: 1"):
        path.write_bytes(content)
        with pytest.raises(CatalogFault) as fault:
            load_catalog(path)
        assert {p.file for p in fault.value.problems} == {str(path)}


def test_the_version_is_the_hash_of_the_text() -> None:
    # SEM-2: content hash; 8 characters that are safe in a URL
    one, other = catalog(), catalog("2026-11-global", "2026-12-global")
    assert one.version == parse_catalog(DEFAULT, source="elsewhere").version != other.version
    assert len(one.version) == 8
    assert one.version.replace("-", "").replace("_", "").isalnum()
    assert one.text == DEFAULT


# The JSON Schema


def test_the_json_schema_is_up_to_date() -> None:
    kept = DEFAULT_CATALOG.with_name("catalog.schema.json").read_text(encoding="utf-8")
    assert kept == json_schema_text(), "run: python -m quotasvc.catalog > .../catalog.schema.json"


def test_editors_find_the_schema_and_accept_the_default_catalog() -> None:
    # given the schema that the file's first line names
    name = DEFAULT.splitlines()[0].removeprefix("# yaml-language-server: $schema=")
    schema = json.loads(DEFAULT_CATALOG.with_name(name).read_text(encoding="utf-8"))
    # then it is a valid one, and the file is valid by it
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(yaml.safe_load(DEFAULT), schema)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("sellable: true", "sellabel: true"),
        ("validity: 365d", "validity: 365"),
        ("images: 0.0035", "images: -1"),
        ("mode: auto", "mode: atuo"),
        ("limit: 2.83", "limit: lots"),
        ("kind: sliding, length: 5h", "kind: first_use"),
        ("kind: sliding, length: 5h", "kind: cycle, length: 5h"),
        ("sellable: true", "sellable: true\n    on_expiry: keep"),
        ("renewal_grace: 24h", "renewal_grace: 0"),
    ],
)
def test_editors_see_what_the_loader_refuses(old: str, new: str) -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(yaml.safe_load(changed(old, new)), json.loads(json_schema_text()))


# Numbers are exact


@pytest.mark.parametrize(
    ("written", "nanos"),
    [
        ("0.0035", 3_500_000),
        ('"0.0035"', 3_500_000),
        ("0.1", 100_000_000),
        ("0.30", 300_000_000),
        ("0.000000001", 1),
        ("4503599.627370497", 4_503_599_627_370_497),  # between two floats
        ("2", 2_000_000_000),
    ],
)
def test_prices_are_exact_plain_or_quoted(written: str, nanos: int) -> None:
    made = catalog("{price: {images: 0.0035}}", f"{{price: {{images: {written}}}}}")
    assert made.resources["image/image-01"].rows[0].nanos == {"images": nanos}


def test_a_factor_is_an_exact_fraction() -> None:
    made = catalog("times: 1.5", "times: 1.1")
    assert made.resources["text/m3"].rows[2].multiplier == (11, 10)


def test_a_day_begins_in_the_catalogs_zone() -> None:
    # J7: a date is midnight of the configured zone
    made = catalog("\nzone: UTC", "\nzone: Asia/Shanghai")
    (in_utc, _), (in_china, _) = (each.resources["vlm/api-vlm"].rows for each in (catalog(), made))
    assert in_utc.until_ms is not None
    assert in_china.until_ms == in_utc.until_ms - 8 * HOUR_MS


# Plans


def test_a_plan_takes_over_what_it_does_not_state() -> None:
    # given max, which is like plus with another price and other limits
    made = catalog()
    plus, top = made.plans["plus"], made.plans["max"]
    assert (top.line, top.overflow, top.price_nanos) == ("shared", plus.overflow, 50_000_000_000)
    # then its weekly window is ten times its own five hours, not those of plus
    five_hours, week = allowance(made, "max", "general").windows
    assert week.limit == 10 * (five_hours.limit or 0)


def test_straddle_is_split_for_cost_and_strict_for_counts_unless_stated() -> None:
    # SEM-11
    made = catalog("unit: songs", "unit: songs\n        straddle: absorb")
    assert allowance(made, "plus", "general").straddle is Straddle.SPLIT
    assert allowance(made, "plus", "video").straddle is Straddle.STRICT
    assert allowance(made, "starter-legacy", "music").straddle is Straddle.ABSORB


def test_the_least_split_is_one_credit_unless_stated() -> None:
    # SEM-11
    stated = catalog("unit: cost\n", "unit: cost\n        split_min: 0.5\n")
    assert allowance(catalog(), "plus", "general").split_min == 1_000_000
    assert allowance(stated, "plus", "general").split_min == 500_000


def test_unlimited_times_ten_is_unlimited() -> None:
    # SEM-17
    windows = allowance(catalog("limit: 2.83", "limit: unlimited"), "plus", "general").windows
    assert [window.limit for window in windows] == [None, None]


def test_an_aligned_window_has_its_period_weekday_and_zone() -> None:
    # SEM-14
    made = catalog(
        "{type: day, limit: 0}",
        "{type: five_hour_block, limit: 1}",
        "period: week, starts: monday}",
        "period: week, starts: sunday, zone: Asia/Tokyo}",
    )
    block = allowance(made, "plus", "video").windows[0]
    week = allowance(made, "plus", "general").windows[1]
    assert (block.period, block.length_ms, block.anchor) == (
        AlignedPeriod.BLOCK,
        5 * HOUR_MS,
        "block-UTC",
    )
    assert (week.period, week.week_start, week.zone) == (AlignedPeriod.WEEK, 6, "Asia/Tokyo")


def test_windows_of_first_use_have_their_length_and_share_no_counter() -> None:
    # SEM-14, SEM-18, 2.2: 5 hours and 7 days, both from the first use on
    made = catalog(
        "{id: five_hour_sliding, kind: sliding, length: 5h}",
        "{id: five_hour_sliding, kind: first_use, length: 5h}",
        "kind: aligned, period: week, starts: monday}",
        "kind: first_use, length: 7d}",
    )
    hours, week = allowance(made, "plus", "general").windows
    assert {one.kind for one in (hours, week)} == {WindowKind.FIRST_USE}
    assert (hours.length_ms, week.length_ms) == (5 * HOUR_MS, 7 * 24 * HOUR_MS)
    assert (hours.limit, week.limit) == (2_830_000_000, 28_300_000_000)


def test_a_window_of_the_cycle_has_no_length_of_its_own() -> None:
    # SEM-14, J6: it may depend on the purchase like any other
    made = catalog("kind: aligned, period: week, starts: monday}", "kind: cycle}")
    (hours, cycle) = allowance(made, "starter-legacy", "text").windows
    assert (cycle.kind, cycle.length_ms, cycle.limit) == (WindowKind.CYCLE, 0, 15_000)
    assert (cycle.purchased_from_ms or 0) > 0 == (hours.purchased_from_ms or 0)
    # then its counter is another than that of a first use
    first_use = catalog("kind: sliding, length: 5h}", "kind: first_use, length: 5h}")
    assert allowance(first_use, "plus", "general").windows[0].anchor != cycle.anchor


def test_a_plan_may_charge_holds_that_nobody_settles_and_others_take_that_over() -> None:
    # SEM-30
    made = catalog("line: shared", "line: shared\n    on_expiry: charge")
    charging = [one for one, plan in made.plans.items() if plan.on_expiry is OnExpiry.CHARGE]
    assert charging == ["plus", "max", "ultra"]


@pytest.mark.parametrize(
    ("written", "grace_ms"),
    [
        ("renewal_grace: 0s", 0),
        ("renewal_grace: 90m", 90 * 60_000),
        ("renewal_grace: 7d", 7 * 24 * HOUR_MS),
        ("", 24 * HOUR_MS),
    ],
)
def test_a_seat_due_to_renew_has_a_grace_or_none(written: str, grace_ms: int) -> None:
    # SEM-42
    made = catalog("renewal_grace: 24h", written)
    assert made.team_rules.renewal_grace_ms == grace_ms


@pytest.mark.parametrize("mode", ["auto", "on", "off"])
def test_peak_hours_begin_in_the_mode_of_the_catalog(mode: str) -> None:
    # J4
    assert catalog("mode: auto", f"mode: {mode}").peak.mode is PeakMode(mode)


def test_a_rate_limit_may_shrink_at_peak() -> None:
    # J1
    rows = catalog("rpm: 200", "peak_permille: 500, rpm: 200").rate_limits
    assert [row.peak_permille for row in rows][:2] == [500, 1000]


# Dates of prices


@pytest.mark.parametrize(
    "rows",
    [
        # a promotion, and a fee per request: other rows price the unit all the time
        "{price: {images: 1}}\n      - {times: 0.5, from: 2026-05-01, until: 2026-06-01}",
        "{price: {images: 1}}\n      - {price: {requests: 1}, from: 2026-05-01}",
        # attributes of which others remain begin later, or end
        "{price: {images: 1}, when: {size: l}}\n"
        "      - {price: {images: 2}, when: {size: xl}, from: 2026-05-01, until: 2026-06-01}",
        # a row that asks for less holds between two that ask for more
        "{price: {images: 1}, when: {size: l}, until: 2026-05-01}\n"
        "      - {price: {images: 2}, from: 2026-05-01, until: 2026-06-01}\n"
        "      - {price: {images: 3}, when: {size: l}, from: 2026-06-01}",
        # in any order
        "{price: {images: 2}, from: 2026-05-01}\n      - {price: {images: 1}, until: 2026-05-01}",
    ],
)
def test_prices_with_dates_but_without_a_gap_are_taken(rows: str) -> None:
    # SEM-2a
    made = catalog("{price: {images: 0.0035}}", rows)
    assert len(made.resources["image/image-01"].rows) == rows.count("\n") + 1


# What comes later is said


def test_what_is_not_enforced_yet_is_noted() -> None:
    notes = catalog().notes
    assert notes[0] == "upgrades: 1 set of rules validated; enforced from a later version"
    assert [note.partition(":")[0] for note in notes] == ["upgrades", "migrate_to", "team_rules"]


def test_top_ups_of_any_size_stand_in_for_packages() -> None:
    # M10: the older rule
    made = catalog(section("  packages:", "team_rules:"), "  topup: {min: 5000, step: 5000}\n\n")
    assert made.credits.packages == ()
    assert made.notes[-1].startswith("credits.topup")


def test_nothing_is_noted_that_is_not_stated() -> None:
    upgrades = DEFAULT[DEFAULT.index("upgrades:\n") :]
    assert not [note for note in catalog(upgrades, "").notes if note.startswith("upgrades")]


# Sizes


SONG = "\n  - {{id: music/{}, measures: [], prices: [{{price: {{requests: 0}}}}]}}"
PLAN = "\n  - {{id: copy-{}, like: plus, sellable: false}}"
FOR_SALE = "\n  - {{id: copy-{}, like: plus}}"
ROW = "\n      - {{price: {{requests: 0}}, when: {{style: {}}}}}"


@pytest.mark.parametrize(
    ("where", "one", "most", "path"),
    [
        ("\nresources:", SONG, 1_000 - 16, "resources"),
        ("        windows: [{type: day, limit: 5}, {type: week, limit: 35}]", PLAN, 991, "plans"),
    ],
)
def test_indexes_in_reservation_ids_are_bounded(where: str, one: str, most: int, path: str) -> None:
    # given as many as there may be
    added = [one.format(number) for number in range(most + 1)]
    catalog(where, where + "".join(added[:most]))
    # then one more is refused
    problems = refusal(changed(where, where + "".join(added)))
    assert [(p.path, "more than 1000" in p.wrong) for p in problems] == [(path, True)]


def test_a_denial_looks_at_64_plans_for_sale_at_most() -> None:
    # SEM-9: all that would admit the request are named; 3 are for sale
    where = "        windows: [{type: day, limit: 5}, {type: week, limit: 35}]"
    added = [FOR_SALE.format(number) for number in range(62)]
    catalog(where, where + "".join(added[:61]))
    problems = refusal(changed(where, where + "".join(added)))
    assert [(p.path, p.wrong) for p in problems] == [
        ("plans", "65 of them are for sale, more than 64")
    ]


RATE = "\n  - {{id: r{}, resources: [{}], rpm: 1}}"


def test_rate_limits_fit_into_their_mask() -> None:
    # SEM-19, R1: the mask of 24 rows is written into the reservation id; 7 are there
    others = ("voice/clone", "tool/web_search")
    rows = [RATE.format(number, others[number % 2]) for number in range(18)]
    catalog("\nrate_limits:", "\nrate_limits:" + "".join(rows[:17]))
    problems = refusal(changed("\nrate_limits:", "\nrate_limits:" + "".join(rows)))
    assert [(p.path, p.wrong) for p in problems] == [
        ("rate_limits", "there are 25 of them, more than 24")
    ]


def test_one_decision_looks_at_sixteen_rate_limits_at_most() -> None:
    # R1: all rows that match a resource apply
    rows = [RATE.format(number, "voice/*") for number in range(17)]
    catalog("\nrate_limits:", "\nrate_limits:" + "".join(rows[:16]))
    problems = refusal(changed("\nrate_limits:", "\nrate_limits:" + "".join(rows)))
    assert [(p.path, p.wrong) for p in problems] == [
        ("rate_limits[16].resources", "`voice/clone` is in more than 16 rate limits")
    ]


def test_price_rows_fit_into_their_mask() -> None:
    # SEM-2: the mask of 30 rows is written into the reservation id
    free = "      - {price: {songs: 0}}"
    rows = [ROW.format(number) for number in range(30)]
    catalog(free, free + "".join(rows[:29]))
    problems = refusal(changed(free, free + "".join(rows)))
    assert [(p.path, p.wrong) for p in problems] == [
        ("resources[11].prices", "has 31 price rows, more than 30")
    ]
