const DAYS_OF_ERA = 146_097;
/** From 0000-03-01, with which an era of 400 years begins, to 1970-01-01. */
const DAYS_BEFORE_1970 = 719_468;

const padded = (value: number, digits: number) => String(value).padStart(digits, "0");

/**
 * A day of the proleptic Gregorian calendar as DuckDB prints it, of any year: JavaScript's Date counts 271 821 of them, and
 * writes those after 9999 and before 0 in a way of its own. http://howardhinnant.github.io/date_algorithms.html#civil_from_days
 */
export function dateText(days: number): string {
  const shifted = days + DAYS_BEFORE_1970;
  const era = Math.floor(shifted / DAYS_OF_ERA);
  const day = shifted - era * DAYS_OF_ERA;
  const yearOfEra = Math.floor(
    (day - Math.floor(day / 1460) + Math.floor(day / 36_524) - Math.floor(day / 146_096)) / 365,
  );
  const dayOfYear = day - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100));
  const fromMarch = Math.floor((5 * dayOfYear + 2) / 153);
  const month = fromMarch < 10 ? fromMarch + 3 : fromMarch - 9;
  const year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0);
  const dayOfMonth = dayOfYear - Math.floor((153 * fromMarch + 2) / 5) + 1;
  const text = `${padded(year <= 0 ? 1 - year : year, 4)}-${padded(month, 2)}-${padded(dayOfMonth, 2)}`;
  return year <= 0 ? `${text} (BC)` : text;
}

/** A day and its time; `T` is for the years that ISO 8601 has. */
export function dateTimeText(days: number, clock: string): string {
  const date = dateText(days);
  return `${date}${date.endsWith(")") ? " " : "T"}${clock}`;
}
