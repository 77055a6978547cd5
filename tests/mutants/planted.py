"""The mutants planted by hand: mistakes that people make, each with what it breaks.

To add one, add an entry to one of the four lists: `old` is copied from the file at `path` and must
occur in it exactly once; a test says so where it no longer does. `caught_by` is asked first; any
test may catch it.
"""

from __future__ import annotations

from tests.mutants.planted_carriers import PLANTED_CARRIERS
from tests.mutants.planted_domain import PLANTED_DOMAIN
from tests.mutants.planted_lib import PLANTED_LIB
from tests.mutants.planted_scripts import PLANTED_SCRIPTS

PLANTED = (*PLANTED_SCRIPTS, *PLANTED_LIB, *PLANTED_CARRIERS, *PLANTED_DOMAIN)
