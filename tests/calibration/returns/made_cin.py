"""Makes a CIN Census of any size, for measuring: random and mostly consistent, not like a real authority."""

from __future__ import annotations

import random
from datetime import date, timedelta
from pathlib import Path


def make(path: Path, children: int, year: int, seed: int = 1) -> int:
    """Write a census as XML, an element on each line; return the number of rows of its modules together."""
    random.seed(seed)
    first, rows = date(year - 1, 4, 1), 0

    def day(n: int) -> str:
        return (first + timedelta(days=n)).isoformat()

    def cells(**told: str | None) -> str:
        return "".join(f"<{name}>{text}</{name}>\n" for name, text in told.items() if text is not None)

    with path.open("w", encoding="utf-8") as file:
        file.write('<?xml version="1.0" encoding="UTF-8"?>\n<Message>\n<Header>\n<CollectionDetails>\n')
        file.write(cells(Collection="CIN", Year=str(year), ReferenceDate=f"{year}-03-31"))
        file.write("</CollectionDetails>\n</Header>\n<Children>\n")
        for i in range(children):
            birth = day(-random.randrange(30, 6200))
            file.write("<Child>\n<ChildIdentifiers>\n")
            file.write(cells(LAchildID=f"C{i:09}", UPNunknown="UN3", PersonBirthDate=birth, Sex=random.choice("MF")))
            file.write("</ChildIdentifiers>\n<ChildCharacteristics>\n<Ethnicity>NOBT</Ethnicity>\n")
            file.write("</ChildCharacteristics>\n")
            rows += 1
            begins = random.randrange(-200, 100)
            while begins < 330:
                closed = begins + random.randrange(60, 150)
                file.write("<CINdetails>\n")
                ended = {"CINclosureDate": day(closed), "ReasonForClosure": "RC7"} if 0 < closed < 365 else {}
                file.write(cells(CINreferralDate=day(begins), ReferralSource="1A", PrimaryNeedCode="N1", **ended))
                file.write("<Assessments>\n")
                file.write(cells(AssessmentActualStartDate=day(begins), AssessmentAuthorisationDate=day(begins + 30)))
                file.write("<FactorsIdentifiedAtAssessment>\n")
                file.write(
                    "".join(cells(AssessmentFactors=code) for code in random.sample(["1C", "4B", "16A", "20"], 2))
                )
                file.write("</FactorsIdentifiedAtAssessment>\n</Assessments>\n")
                rows += 2
                if random.random() < 0.5:
                    file.write("<Section47>\n" + cells(S47ActualStartDate=day(begins + 5), ICPCnotRequired="1"))
                    file.write("</Section47>\n")
                    rows += 1
                if random.random() < 0.6:
                    plan_end = day(closed) if ended else None
                    file.write("<CINPlanDates>\n" + cells(CINPlanStartDate=day(begins + 31), CINPlanEndDate=plan_end))
                    file.write("</CINPlanDates>\n")
                    rows += 1
                file.write(cells(ReferralNFA="0") + "</CINdetails>\n")
                begins = closed + random.randrange(100, 400)
            file.write("</Child>\n")
        file.write("</Children>\n</Message>\n")
    return rows


__all__ = ["make"]
