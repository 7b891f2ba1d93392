"""`python -m contracts.documents`: writes both documents as the table has them now."""

from contracts.documents import DOCUMENTS, renew


def main() -> None:
    changed = renew()
    for name in DOCUMENTS:
        print(f"{name}: {'renewed' if name in changed else 'unchanged'}")


if __name__ == "__main__":
    main()
