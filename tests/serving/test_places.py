"""What is wrong is told to every caller; where the server keeps its files is not."""

import pytest

from bigmodel.serving.places import told, without_places


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("/srv/m/wine/versions/ab.zip: model.onnx: damaged", "ab.zip: model.onnx: damaged"),
        ("/srv/my models/wine: ab12: too slow: 3 ms", "wine: ab12: too slow: 3 ms"),
        ("models/wine: ab12: too slow", "wine: ab12: too slow"),
        (
            "s3://bucket/m: wine cannot be read: no /etc/ssl/x.pem",
            "m: wine cannot be read: no x.pem",
        ),
        ("wine: see file:///srv/m/wine, and ~/m", "wine: see wine, and m"),
        ("wine: takes 3 rows/s and/or 1/2 more", "wine: takes 3 rows/s and/or 1/2 more"),
        ("wine: too large", "wine: too large"),
    ],
)
def test_of_each_place_its_name_is_left(line, shown):
    assert without_places(line) == shown
    assert told([line, line], whole=False) == f"{shown}; {shown}"
    assert told([line, line], whole=True) == f"{line}; {line}"
