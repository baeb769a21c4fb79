"""Every setting, validated once: the environment, then `.env`, then the default (the CLI's flags win over all).

`DATABASE_URL` is the only name without the `BOOKBOT_` prefix, because platforms set it. Durations are numbers
of seconds here, at the edge, and `timedelta` inside.
"""

import json
import socket
from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import AliasChoices, BeforeValidator, Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict

from shared.credentials import Credentials
from shared.errors import ConfigurationError
from shared.llm_address import check_base_url, check_key
from shared.llm_prices import TokenPrice, none_if_empty, read_prices
from shared.web_address import check_origin, check_prefix

Names = Annotated[tuple[str, ...], NoDecode]
Models = Annotated[dict[str, str], NoDecode]
Prices = Annotated[dict[str, TokenPrice], NoDecode, BeforeValidator(read_prices)]
Budget = Annotated[float | None, Field(ge=0, allow_inf_nan=False), BeforeValidator(none_if_empty)]


class Settings(BaseSettings):
    """One validated object; build it with `load_settings`, which explains every error at once."""

    model_config = SettingsConfigDict(
        env_prefix="BOOKBOT_", env_file=".env", extra="ignore", frozen=True, hide_input_in_errors=True
    )

    database_url: SecretStr = Field(
        SecretStr("sqlite:///bookbot.db"),
        validation_alias=AliasChoices("database_url", "DATABASE_URL"),
        description="PostgreSQL (postgres://…) or SQLite (sqlite:///file.db)",
    )

    concurrency: int = Field(10, ge=1, le=1000, description="jobs one worker runs at the same time")
    queues: Names = Field((), description="queues this worker serves; empty means all")
    worker_name: str = Field(socket.gethostname(), max_length=200, description="how people recognise it")
    poll_seconds: float = Field(1.0, gt=0, le=3600, description="how often an idle worker looks for jobs")
    drain_seconds: float = Field(300.0, ge=0, description="how long running jobs may finish after SIGTERM")
    stop_grace_seconds: float = Field(10.0, ge=0, description="how long a job may take to stop when it must")
    heartbeat_seconds: float = Field(4.0, gt=0, le=3600, description="how often a worker says that it lives")
    lease_seconds: float = Field(20.0, gt=0, le=86_400, description="silent for so long, a worker counts as dead")
    rescue_seconds: float = Field(4.0, gt=0, le=3600, description="how often jobs of dead workers are looked for")
    database_timeout_seconds: float = Field(30.0, gt=0, le=86_400, description="how long one database call may take")
    health_port: int = Field(0, ge=0, le=65_535, description="port of the worker's health page; 0: none")
    log_flush_seconds: float = Field(0.5, gt=0, le=60, description="how often job logs become visible")

    job_types: Names = Field((), description="modules whose JOB_TYPES extend the catalogue")
    jobs: Names = Field((), description="modules whose register(processor) adds job classes")

    llm: Literal["offline", "openai_compatible"] = Field("offline", description="which author answers the prompts")
    llm_base_url: str = Field("", description="where an OpenAI-compatible server answers, as https://host/v1")
    llm_api_key: SecretStr | None = Field(None, description="the key for it; systemd: the credential llm-api-key")
    llm_model: str = Field("", max_length=200, description="the model that is asked where a job names none")
    llm_connect_seconds: float = Field(10.0, gt=0, le=600, description="how long connecting to it may take")
    llm_first_token_seconds: float = Field(180.0, gt=0, le=3600, description="how long it may think before it answers")
    llm_between_tokens_seconds: float = Field(60.0, gt=0, le=3600, description="how long its answer may pause")
    llm_answer_characters: int = Field(1_000_000, ge=1000, le=50_000_000, description="longest answer that is taken")
    llm_models: Models = Field({}, description="which model serves which group of tasks, as a JSON object")
    llm_structured: Literal["auto", "never"] = Field("auto", description="whether plans are asked for as JSON")
    llm_prices: Prices = Field({}, description="USD per million tokens by model, as JSON or the name of a JSON file")
    llm_budget_job_usd: Budget = Field(None, description="what one job may spend; empty: any sum")
    llm_budget_book_usd: Budget = Field(None, description="what one book may cost; empty: any sum")
    llm_budget_day_usd: Budget = Field(None, description="what all jobs may spend a day (UTC); empty: any sum")
    llm_max_in_flight: int = Field(
        0, ge=0, le=100_000, description="calls of one model at a time, of all workers; 0: any"
    )
    llm_requests_per_minute: int = Field(0, ge=0, description="calls of one model a minute, of all workers; 0: any")
    llm_pause_after: int = Field(5, ge=0, description="failures in a row that pause a provider's model; 0: never")
    llm_pause_seconds: float = Field(15.0, gt=0, le=3600, description="how long the first such pause lasts")
    offline_words_per_second: float = Field(0.0, ge=0, description="0 answers at once; 50 looks human")

    export_memory_mb: int = Field(2048, ge=128, le=1_000_000, description="memory one export may take, in MB")
    export_seconds: float = Field(600.0, gt=0, le=86_400, description="how long making one file may take")

    log_format: Literal["auto", "console", "json"] = Field("auto", description="auto: console on a terminal")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"

    web_streams: int = Field(2000, ge=1, le=100_000, description="event streams one web process keeps open")
    web_token: SecretStr | None = Field(None, description="token of the web: who has it may do everything")
    web_read_token: SecretStr | None = Field(None, description="a second token: who has it may only look")
    web_origin: str = Field("", description="where browsers reach the web through a proxy, as https://host")
    web_prefix: str = Field("", description="path below which a proxy serves the web, as /bookbot")
    web_writes_per_minute: int = Field(3000, ge=0, description="requests that change something, of one client; 0: any")

    @field_validator("queues", "job_types", "jobs", mode="before")
    @classmethod
    def _split_commas(cls, value: Any) -> Any:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @field_validator("llm_models", mode="before")
    @classmethod
    def _read_object(cls, value: Any) -> Any:
        try:
            return (json.loads(value) if value.strip() else {}) if isinstance(value, str) else value
        except ValueError:
            raise ValueError('must be a JSON object such as {"planning": "model-a", "writing": "model-b"}') from None

    @field_validator("web_origin", "web_prefix")
    @classmethod
    def _is_where_the_web_is(cls, value: str, info: ValidationInfo) -> str:
        return check_origin(value) if info.field_name == "web_origin" else check_prefix(value)

    @field_validator("llm_base_url")
    @classmethod
    def _is_an_address(cls, value: str) -> str:
        return check_base_url(value)

    @field_validator("llm_api_key")
    @classmethod
    def _can_be_sent(cls, value: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        key = check_key(value.get_secret_value(), info.data.get("llm_base_url", "")) if value else ""
        return SecretStr(key) if key else None

    @field_validator("lease_seconds")
    @classmethod
    def _outlasts_a_lost_beat(cls, value: float, info: ValidationInfo) -> float:
        beat = info.data.get("heartbeat_seconds", 0.0)
        if value < 3 * beat:
            raise ValueError(f"must be at least 3 times BOOKBOT_HEARTBEAT_SECONDS, which is {beat:g}")
        return value

    @classmethod
    def settings_customise_sources(
        cls, settings_cls: type[BaseSettings], *sources: PydanticBaseSettingsSource, **named: PydanticBaseSettingsSource
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """What systemd hands over as files comes last."""
        return (*super().settings_customise_sources(settings_cls, *sources, **named), Credentials(settings_cls))

    @property
    def poll_interval(self) -> timedelta:
        """How long an idle worker waits before it looks again."""
        return timedelta(seconds=self.poll_seconds)

    @property
    def drain_timeout(self) -> timedelta:
        """How long running jobs may go on after the first SIGTERM."""
        return timedelta(seconds=self.drain_seconds)

    @property
    def log_flush_interval(self) -> timedelta:
        """How long a job's log line may stay invisible while the job runs."""
        return timedelta(seconds=self.log_flush_seconds)


def load_settings(**overrides: Any) -> Settings:
    """The settings in force; `overrides` (field names) win where they are not None.

    Raises ConfigurationError listing every wrong setting by the name of its environment variable.
    """
    given = {name: value for name, value in overrides.items() if value is not None}
    try:
        return Settings(**given)
    except UnicodeDecodeError:
        raise ConfigurationError("the file .env is not UTF-8 text") from None
    except ValidationError as error:
        raise ConfigurationError("; ".join(_explain(item) for item in error.errors())) from None


def _explain(error: Any) -> str:
    field = str(error["loc"][0]) if error["loc"] else "settings"
    name = "DATABASE_URL" if field.lower() == "database_url" else f"BOOKBOT_{field.upper()}"
    return f"{name}: {error['msg']}"
