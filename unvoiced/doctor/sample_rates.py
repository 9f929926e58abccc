"""Check a sample rate against the source's metadata, the clock and mains hum."""

from __future__ import annotations

from unvoiced.doctor.findings import Fault, Finding, judge_faults
from unvoiced.doctor.signal_measurements import MAINS_HZ, SpectralLine

MAX_DEVIATION = 0.03  # of a stated sample rate; clocks of recorders differ by less
MAX_ARRIVAL_DEVIATION = 0.15  # of the rate at which samples arrived in a few seconds
# Common rates of amplifiers, Hz. Hum at 100 Hz where 250 Hz is assumed was recorded with 125 Hz.
COMMON_RATES = (100, 125, 200, 250, 256, 400, 500, 512, 800, 1000, 1024, 1200, 2000, 2048, 4000)
SURE_PROMINENCE, SURE_SHARE = 100.0, 0.3  # of a line that is surely hum


def check_sample_rates(
    rate: float, stated_hz: float | None, arrived_hz: float | None, line: SpectralLine | None
) -> Finding:
    """Return the finding on the sample rate.

    Args:
        rate: that is assumed, Hz.
        stated_hz: that the source states; None if it states none.
        arrived_hz: samples per second of the clock; None for a recording.
        line: the strongest line of the spectrum; None if it is not known.
    """
    by_hum = estimate_by_hum(rate, line)
    faults = [
        _name_fault(stated_hz, rate, MAX_DEVIATION, "the source states"),
        _name_fault(arrived_hz, rate, MAX_ARRIVAL_DEVIATION, "the samples arrive with"),
        _name_fault(by_hum, rate, MAX_DEVIATION, "by its hum the signal has"),
    ]
    found = [f"{rate:g} Hz is set"]
    found += [f"{stated_hz:.4g} Hz is stated"] if stated_hz else []
    found += [f"{arrived_hz:.4g} Hz arrive"] if arrived_hz else []
    found += [f"hum at {line.hz:.1f} Hz"] if is_hum(line) and line else []
    return judge_faults("sample rate", ", ".join(found), "the same", faults)


def _name_fault(found: float | None, rate: float, deviation: float, source: str) -> Fault:
    is_wrong = found is not None and abs(found / rate - 1) > deviation
    return Fault(
        is_wrong,
        f"The sample rate is wrong: {source} {found or 0:.4g} Hz",
        f"set input_reader.sample_rate={found or 0:.4g}, or change it at the amplifier",
    )


def is_hum(line: SpectralLine | None) -> bool:
    """Return whether a line is surely hum."""
    return line is not None and line.prominence > SURE_PROMINENCE and line.share > SURE_SHARE


def estimate_by_hum(rate: float, line: SpectralLine | None) -> float | None:
    """Return the usual sample rate at which a line would be hum of 50 or 60 Hz, or None.

    Hum at 50 or 60 Hz confirms the assumed rate.
    """
    if not is_hum(line) or line is None:
        return None
    own = [n * mains for mains in MAINS_HZ for n in (1, 3, 5)]  # hum and its odd harmonics
    if any(abs(line.hz / hz - 1) < MAX_DEVIATION for hz in own):
        return None
    possible = [rate * mains / line.hz for mains in MAINS_HZ]
    return next(
        (
            float(common)
            for found in possible
            for common in COMMON_RATES
            if abs(common / found - 1) < MAX_DEVIATION / 2
        ),
        None,
    )
