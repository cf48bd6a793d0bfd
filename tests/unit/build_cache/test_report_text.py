from build_cache.report_text import report_lines
from homeport.caches import BuildReport, CacheTraffic, DirectHost, Ecosystem

APT = CacheTraffic(requests=40, hits=39, bytes_served=36_500_000, bytes_fetched=2_300_000)
PIP = CacheTraffic(requests=3, hits=1, bytes_served=2_000_000, bytes_fetched=2_000_400)


def test_a_build_says_what_came_from_the_caches_and_what_went_round_them() -> None:
    report = BuildReport(
        traffic={Ecosystem.APT: APT}, direct=[DirectHost(host="files.example", connections=3)]
    )

    assert report_lines(report, line_mbit_s=50) == [
        "From the caches: 32.6 MiB of 34.8 MiB, saved about 5 s at 50 Mbit/s; fetched 2.2 MiB.",
        "Went round the caches: files.example (3 connections).",
    ]


def test_several_ecosystems_are_told_apart() -> None:
    report = BuildReport(traffic={Ecosystem.APT: APT, Ecosystem.PIP: PIP}, direct=[])

    assert report_lines(report, line_mbit_s=50) == [
        "From the caches: 32.6 MiB of 36.7 MiB, saved about 5 s at 50 Mbit/s; fetched 4.1 MiB.",
        "  apt: 32.6 MiB of 34.8 MiB, 39 of 40 requests",
        "  pip: 0 B of 1.9 MiB, 1 of 3 requests",
        "Went round the caches: nothing.",
    ]


def test_a_first_build_claims_no_saving() -> None:
    report = BuildReport(traffic={Ecosystem.PIP: PIP}, direct=[])

    assert report_lines(report, line_mbit_s=50)[0] == "From the caches: 0 B of 1.9 MiB; fetched 1.9 MiB."


def test_what_could_not_be_seen_is_not_known_and_never_nothing() -> None:
    (_, direct) = report_lines(BuildReport(direct=None), line_mbit_s=50)

    assert direct.startswith("Went round the caches: not known")


def test_an_ecosystem_without_requests_is_not_mentioned() -> None:
    report = BuildReport(traffic={Ecosystem.GEM: CacheTraffic()}, direct=[])

    assert report_lines(report, line_mbit_s=50)[0] == "Through the caches: nothing was asked for."


def test_many_hosts_make_one_line_of_bounded_length() -> None:
    direct = [DirectHost(host=f"{number}.example", connections=1) for number in range(300)]

    (_, line) = report_lines(BuildReport(direct=direct), line_mbit_s=50)

    assert line.endswith("19.example (1 connection), 280 more (280 connections).")


def test_what_had_no_cache_and_the_warnings_stand_at_the_end() -> None:
    report = BuildReport(direct=[], left_alone=["Line 3 has no network."], warnings=["pip's cache is down."])

    assert report_lines(report, line_mbit_s=50)[2:] == [
        "Without a cache: Line 3 has no network.",
        "Warning: pip's cache is down.",
    ]
