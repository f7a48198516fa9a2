"""The file of pairs: what it may say, and that each fault names file and line, and no picture."""

from pathlib import Path

import pytest

from gateway.lab.evaluation.match_pairs import PairsUnreadable, read_pairs

NAMES = ("ann/1.jpg", "ann/2.jpg", "bob/1.jpg", "cid/1.jpg")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in NAMES:
        (tmp_path / "pictures" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "pictures" / name).touch()
    return tmp_path / "pictures"


def read(root: Path, *lines: str, header: str = "file_a,file_b,same"):
    file = root.parent / "pairs.csv"
    file.write_text("\n".join((header, *lines)) + "\n")
    return read_pairs(file, root)


def test_people_are_told_by_folders_where_no_line_contradicts(root: Path) -> None:
    pairs = read(root, "ann/1.jpg,ann/2.jpg,1", "", "ann/1.jpg,bob/1.jpg,different")
    assert pairs.subjects_from == "folders"
    assert pairs.subjects.tolist() == [0, 0, 1]
    assert (pairs.template.tolist(), pairs.probe.tolist()) == ([0, 0], [1, 2])
    assert pairs.same.tolist() == [True, False]
    assert pairs.folds is None


def test_people_are_told_by_pairs_where_folders_say_otherwise(root: Path) -> None:
    """Ann and Bob are one person here; whether Cid is another, no line says."""
    pairs = read(root, "ann/1.jpg,bob/1.jpg,1", "ann/2.jpg,cid/1.jpg,0")
    assert pairs.subjects_from == "pairs"
    assert pairs.subjects[0] == pairs.subjects[1]
    assert pairs.subject_count == 3


def test_ids_folds_and_groups_are_read(root: Path) -> None:
    pairs = read(
        root,
        "ann/1.jpg,bob/1.jpg,same,p,p,x,old,dark,dark",
        "bob/1.jpg,cid/1.jpg,0,p,q,y,,dark,light",
        header="file_a,file_b,same,subject_a,subject_b,fold,age,tone_a,tone_b",
    )
    assert pairs.subjects_from == "columns"
    assert pairs.subjects.tolist() == [0, 0, 1]
    assert pairs.folds is not None
    assert pairs.folds.tolist() == [0, 1]
    groups = {one.name: one for one in pairs.groups}
    assert groups["age"].of_pairs == ("old", "")
    assert groups["tone"].of_pairs == ("dark", "")
    assert groups["tone"].of_pictures == ("dark", "dark", "light")


@pytest.mark.parametrize(
    ("header", "lines", "said"),
    [
        ("file_a,same", ["ann/1.jpg,1"], "line 1: the header has no column file_b"),
        ("file_a,file_b,same,same", [], "line 1: the column same stands there twice"),
        ("file_a,file_b,same,subject_a", [], "line 1: subject_a and subject_b go together"),
        ("file_a,file_b,same", [], "line 1: there is no pair"),
        ("file_a,file_b,same", ["ann/1.jpg,ann/2.jpg"], "line 2: 2 fields, and the header has 3"),
        ("file_a,file_b,same", ["ann/1.jpg,ann/2.jpg,maybe"], "line 2: same is none of"),
        ("file_a,file_b,same", ["ann/1.jpg,ann/1.jpg,1"], "line 2: a picture is compared with"),
        (
            "file_a,file_b,same",
            ["ann/1.jpg,ann/2.jpg,1", "ann/1.jpg,zoe/1.jpg,0"],
            "line 3: file_b names no picture",
        ),
        ("file_a,file_b,same", ["../x.jpg,ann/2.jpg,1"], "line 2: file_a is no path below"),
        ("file_a,file_b,same", ["/etc/passwd,ann/2.jpg,1"], "line 2: file_a is no path below"),
        (
            "file_a,file_b,same",
            ["ann/1.jpg,ann/2.jpg,1", "ann/1.jpg,ann/2.jpg,1"],
            "line 3: the same pair stands in line 2",
        ),
        (
            "file_a,file_b,same",
            ["ann/1.jpg,bob/1.jpg,1", "bob/1.jpg,ann/1.jpg,0"],
            "line 3: other lines say that both pictures show one person",
        ),
        (
            "file_a,file_b,same,subject_a,subject_b",
            ["ann/1.jpg,ann/2.jpg,1,p,q"],
            "line 2: the subjects contradict",
        ),
        (
            "file_a,file_b,same,subject_a,subject_b",
            ["ann/1.jpg,ann/2.jpg,1,p,p", "ann/1.jpg,bob/1.jpg,0,q,p"],
            "line 3: the picture of file_a shows another person in line 2",
        ),
        ("file_a,file_b,same,fold", ["ann/1.jpg,ann/2.jpg,1,"], "line 2: fold is empty"),
        (
            "file_a,file_b,same,tone_a,tone_b",
            ["ann/1.jpg,ann/2.jpg,1,x,x", "ann/1.jpg,bob/1.jpg,0,y,x"],
            "line 3: tone_a says otherwise of this picture than line 2",
        ),
        ("file_a,file_b,same,age", ["ann/1.jpg,ann/2.jpg,1," + "x" * 61], "line 2: age is longer"),
        ("file_a,file_b,same", ['"ann/1.jpg,ann/2.jpg,1'], "line 2: not CSV"),
    ],
)
def test_a_fault_names_file_and_line(root: Path, header: str, lines: list[str], said: str) -> None:
    with pytest.raises(PairsUnreadable) as caught:
        read(root, *lines, header=header)
    assert str(caught.value).startswith(f"pairs.csv, {said}")
    assert not any(name in str(caught.value) for name in ("ann", "bob", "zoe", str(root)))


def test_bytes_that_are_no_text_are_named_by_their_line(root: Path) -> None:
    file = root.parent / "pairs.csv"
    file.write_bytes(b"file_a,file_b,same\nann/1.jpg,\xff,1\n")
    with pytest.raises(PairsUnreadable, match=r"pairs\.csv, line 2: not UTF-8"):
        read_pairs(file, root)


def test_what_is_not_there_is_said(root: Path) -> None:
    with pytest.raises(PairsUnreadable, match=r"cannot read none\.csv"):
        read_pairs(root / "none.csv", root)
    file = root.parent / "pairs.csv"
    file.write_text("file_a,file_b,same\n")
    with pytest.raises(PairsUnreadable, match="--root names no directory"):
        read_pairs(file, root / "nowhere")
