"""`python -m deploy.helm`: writes every file that is made from the chart, or copied into it."""

from deploy.helm.files import made


def main() -> None:
    """Write the files."""
    for path, text in made().items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


if __name__ == "__main__":
    main()
