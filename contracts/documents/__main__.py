"""`python -m contracts.documents`: generate both documents from the table."""

from contracts.documents.files import DOCUMENTS, renew


def main() -> None:
    changed = renew()
    for name in DOCUMENTS:
        print(f"{name}: {'renewed' if name in changed else 'unchanged'}")


if __name__ == "__main__":
    main()
