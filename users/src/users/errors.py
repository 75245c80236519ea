"""What can go wrong with people and their sessions, in words of the domain."""

from __future__ import annotations


class UserNotFound(Exception):
    """No such user."""

    def __init__(self) -> None:
        super().__init__("There is no such user.")


class EmailTaken(Exception):
    """Somebody has an account with this e-mail."""

    errors = [{"pointer": "/email", "message": "Has an account already."}]

    def __init__(self) -> None:
        super().__init__("There is an account with this e-mail; log in, or use another.")


class WeakPassword(Exception):
    """The password can be guessed by anybody who knows the e-mail."""

    errors = [{"pointer": "/password", "message": "Must not be the e-mail, or its beginning."}]

    def __init__(self) -> None:
        super().__init__("Choose a password that is not the e-mail.")


class WrongCredentials(Exception):
    """Unknown e-mail or wrong password; one message, so that it tells nobody who has an account."""

    def __init__(self) -> None:
        super().__init__("The e-mail or the password is wrong.")


class WrongPassword(Exception):
    """The current password, asked for once more, was not given right."""

    errors = [{"pointer": "/current_password", "message": "Is not the current password."}]

    def __init__(self) -> None:
        super().__init__("A new password needs the current one.")


class SessionEnded(Exception):
    """The session ended while it was being used."""

    def __init__(self) -> None:
        super().__init__("The session of this token has ended.")


class RefreshRefused(Exception):
    """The refresh token is no good; one message for every reason."""

    def __init__(self) -> None:
        super().__init__("The refresh token is not valid, was used before, or has ended; log in.")


class LastAdmin(Exception):
    """Without this one nobody could make another."""

    def __init__(self) -> None:
        super().__init__("This is the last admin; make another one first.")
