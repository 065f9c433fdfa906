//! `pypi-token`: tokens of PyPI.

use crate::processor::redact::detector::Detector;

pub(in super::super) static DETECTOR: Detector = Detector::token(
    "pypi-token",
    "tokens of PyPI",
    &["pypi-AgEIcHlwaS5vcmc{url:50-1000}", "pypi-AgENdGVzdC5weXBpLm9yZw{url:50-1000}"],
    &[
        "«pypi-AgEIcHlwaS5vcmcXO_5e_AguhSMkBE_M40jfiwAlWtMUisP2Cpfk_PeZJV5DIx7xu»",
        "use «pypi-AgENdGVzdC5weXBpLm9yZw6SrYiyMUJEmQXDObb43VM_DCMAS9TWkbdXO_A3A_e8BP8aHLr4», please",
    ],
    &["pypi-server", "pypi-AgEIcHlwaS5vcmcyour-key-goes-here-0123"],
);
