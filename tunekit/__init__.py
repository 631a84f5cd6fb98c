"""tunekit: the six-step tuning procedure for a person's own PyTorch model and data."""

__version__ = "0.1.0"


def distribution() -> str:
    """Which installed distribution owns these files, in words: one of another program has the same import name.

    A wheel's owns them by the hash that it recorded, an editable install's by its folder. One that recorded other
    contents was overwritten here.
    """
    import base64
    import hashlib
    import json
    from importlib import metadata
    from pathlib import Path
    from urllib.parse import urlsplit
    from urllib.request import url2pathname

    file = Path(__file__).resolve()
    owners: set[str] = set()  # a folder may stand in sys.path twice
    overwritten: set[str] = set()
    for item in metadata.distributions():
        name, origin = f"distribution {item.name} {item.version}", json.loads(item.read_text("direct_url.json") or "{}")
        if origin.get("dir_info", {}).get("editable"):
            if file.is_relative_to(Path(url2pathname(urlsplit(origin["url"]).path)).resolve()):
                owners.add(f"{name}, editable")
        elif Path(str(item.locate_file("tunekit/__init__.py"))).resolve() == file:
            for record in item.files or ():
                if record.as_posix() == "tunekit/__init__.py" and record.hash is not None:
                    digest = hashlib.new(record.hash.mode, file.read_bytes()).digest()
                    owns = base64.urlsafe_b64encode(digest).decode().rstrip("=") == record.hash.value
                    (owners if owns else overwritten).add(name)
    words = " and ".join(sorted(owners)) or f"of no installed distribution, in {file.parent}"
    if len(owners) + len(overwritten) > 1:
        others = "".join(f"; {name} has the same files" for name in sorted(overwritten))
        words += f"{others}; never both in one environment: uninstall both, then install one"
    return words
