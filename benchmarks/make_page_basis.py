"""Makes `pipeline/embed/builtin/page_basis.npz`: the 128 directions in which token vectors of general text vary most.

General text is the plain English below, written for this purpose in the manners a page can have (report, letter,
statute, recipe, table, manual, minutes, story, form), and the label texts of the picture classes; both count alike.
Making it again changes every page vector: raise the revision of the page model.

    python -m benchmarks.make_page_basis
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from benchmarks.make_labels import SOURCE, read_labels
from pipeline.embed.builtin.e5 import PASSAGE, e5
from pipeline.embed.builtin.pages import BASIS, DIM, WINDOW
from pipeline.embed.builtin.text import unit
from pipeline.embed.builtin.windows import windows_of
from pipeline.types import Vectors

PASSAGES = """
Annual report of the northern district water board. During the year the board supplied 41.6 million cubic metres of
water to 212,000 households, an increase of 1.8 percent over the year before. Losses in the network fell from 14.2 to
12.9 percent, mainly because 37 kilometres of old pipe were replaced. Operating costs were $18.4 million, of which 62
percent were wages and energy. The board expects that demand will grow slowly in the coming years, while the price of
electricity remains uncertain. See note 7 for details of the loan that was taken up in March.

Dear Ms Hartley, thank you for your letter of 12 June about the noise from the workshop behind your house. We visited
the site last week and spoke with the owner. He has agreed to keep the doors shut after six in the evening and to have
the ventilation checked by the end of the month. Please let us know if things have not become better by then. You can
reach me by telephone on weekdays between nine and noon, or by mail at the address above. Yours sincerely, J. Moreno.

Section 4. Duties of the operator. (1) The operator shall keep a record of every delivery and shall make the record
available to an inspector upon request. (2) A record under subsection (1) must state the date, the quantity, the name
of the carrier and the place of origin. (3) A person who fails to comply with this section commits an offence and is
liable to a fine not exceeding $5,000, unless the person proves that the failure was due to circumstances beyond his
control.

Lentil soup for four. Heat two spoons of oil in a large pot and fry one chopped onion until soft. Add two carrots, a
stick of celery and a clove of garlic, and stir for five minutes. Pour in a litre of stock, add 250 grams of red
lentils and a bay leaf, and cook over low heat for half an hour. Season with salt, pepper and lemon juice. Serve hot
with bread.

Table 3. Sales by region, in thousands of dollars
Region 2021 2022 2023 Change
North 1,204 1,318 1,290 -2.1%
South 987 1,045 1,172 12.2%
Overseas 655 702 811 15.5%
Total 2,846 3,065 3,273 6.8%
Net income per share, diluted 1.12 1.25 1.31
Cash and cash equivalents at end of period 412 388 460

Why do birds that live in cities sing at a higher pitch than birds of the same kind in the forest? A team of
biologists recorded 640 songs of great tits in twelve towns and in the woods nearby. In the towns the lowest notes
were missing. Low notes are drowned by traffic, the authors argue, so that a bird whose song is high is heard by more
neighbours. In an experiment in which noise was played to young males, most of them raised their voice within a few
days. Whether the change is learned or inherited cannot be said from these data; a study over several generations
would be needed.

Before you switch the machine on, make sure that the power cable is not damaged and that the lid is closed. Press the
green button for three seconds. When the lamp blinks, choose a program with the arrow keys and confirm with OK. If the
display shows error E12, the filter is blocked: unplug the machine, open the flap at the front, remove the filter and
rinse it under running water. Do not use solvents. Only trained staff may open the housing. Keep this manual.

Minutes of the meeting of 4 October 2019. Present: the chair, the treasurer, five members. Apologies: two. The minutes
of the last meeting were approved. The treasurer presented the accounts for the third quarter; there were no
questions. It was decided by four votes to two to postpone the renovation of the hall until three offers have been
received. Action: the secretary will write to the council about the parking permits. Any other business: none. The
meeting closed at 21:10.

The old man had lived on the island for so long that nobody remembered when he had come. Every morning he walked down
to the harbour, looked at the boats, and said nothing. Once, when I was seven or eight, I asked him what he was
waiting for. He laughed and gave me a shell. "For the weather to change," he said. Many years later, after my mother
had sold the house and we had moved to the mainland, a parcel arrived without a name on it; inside lay the other half
of the shell.

Application for a travel grant. Last name, first name, date of birth, nationality. Address, city, postal code,
country. Purpose of the journey (please tick one): conference, field work, visit to an archive, other. Estimated cost
of travel, accommodation and fees. Have you received a grant from us before? Yes / No. Signature of applicant, date.
For office use only: received, checked by, decision.

We describe a method that finds the shortest path in a graph whose edge weights change over time. Let G be a graph
with n vertices and m edges. The algorithm keeps a priority queue of vertices and updates the distance of a vertex
whenever a shorter path to it has been found; its running time is O(m log n). Experiments on road networks show that
it is between two and five times faster than the previous best method, at the cost of about 10 percent more memory.
The source code, the data and a proof of the main theorem are available in the appendix [12, 15]. Figure 2 shows the
results.

Patients who take this medicine should not drive for four hours. Common side effects are headache, dry mouth and
tiredness; tell your doctor if they persist. Do not take more than 40 mg a day. In a trial with 318 adults, symptoms
became milder in 71 percent of those who received the drug and in 44 percent of those who received a placebo (p <
0.001). Store below 25 degrees, away from light, and out of the reach of children.

After the war the town was rebuilt around the railway station. The castle, which dates from the twelfth century, had
been destroyed by fire in 1689 and was never restored; its stones were used for the bridge and for the church of St.
Anne. Today the town has about 18,000 inhabitants, a small university, and a museum of clocks. It lies on the left
bank of the river, 60 km east of the capital, and is twinned with towns in France, Japan and Brazil. Tourism is the
main industry.

The company today announced that its board has appointed Laura Chen as chief executive officer with effect from 1 May.
Ms Chen joined the company in 2014 and has led the division for industrial software since 2018. "We have strong
products, loyal customers and a clear plan," she said. Forward-looking statements in this release involve risks;
actual results may differ materially. Contact for media: press office. Contact for investors: investor relations.

Quarterly results of the players: in the second half the home team scored three goals in eleven minutes and won 4-2.
The coach praised the young defenders. Next week they travel to the leader of the league, who has not lost at home
this season.

Unit 5: Photosynthesis. Plants use the energy of light to turn water and carbon dioxide into sugar and oxygen.
Exercise 1: Name the parts of the leaf in the picture. Exercise 2: What happens if the plant is kept in the dark?
Explain your answer. Key words: leaf, root, cell, light, energy. Homework: read pages 48 to 53 and answer questions 3
and 4.

Terms of use. By opening an account you agree that we may store the data you enter for as long as the account exists.
You may ask us at any time which data we hold, and have them corrected or deleted. We do not sell data to others. The
service is provided as it is, without warranty of any kind. These terms are governed by the law of the state in which
you live.
"""


def basis(parts: Sequence[Vectors]) -> npt.NDArray[np.float32]:
    """All directions of the parts' second moments (not centred), strongest first, as columns."""
    moments = sum(part.T @ part / len(part) for part in parts)
    found: npt.NDArray[np.float32] = np.linalg.svd(moments)[0]
    return found


def passages() -> list[str]:
    return PASSAGES.strip().split("\n\n")


def label_texts() -> list[str]:
    return [
        f"{label.name}, {label.hypernyms}: {label.gloss}. {' '.join(label.descriptions)}"
        for label in read_labels(SOURCE)
    ]


def e5_states(texts: Sequence[str]) -> Vectors:
    """Unit token vectors of all texts, (tokens, 384), each window with the prefix and without its vectors."""
    lead = e5().ids(PASSAGE)
    windows = [[*lead, *window] for text in texts for window in windows_of(e5().ids(text), WINDOW - len(lead))]
    return unit(np.concatenate([states[len(lead) :] for states in e5().encode_windows(windows)]))


def main() -> None:
    found = basis([e5_states(passages()), e5_states(label_texts())])
    np.savez(BASIS, basis=found[:, :DIM].astype(np.float16))
    print(f"{BASIS}: {found.shape} cut to {DIM} columns")


if __name__ == "__main__":
    main()
