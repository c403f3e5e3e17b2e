// Countries by their names.

import { listAll } from "../api";
import { idOf } from "../format";
import { useLoaded } from "../load";
import type { Country } from "../messages";

export interface CountryNames {
  of: (country: string) => string;
  region: (country: string) => string | undefined;
}

// Until they are read, and where one is not known, a country is called by its code.
export function useCountryNames(): CountryNames {
  const countries = useLoaded(() => listAll<Country>("ReferenceService/ListCountries", "countries"), "countries", ["countries"]);
  const known = new Map(countries.data?.records.map((country) => [country.name, country]));
  return { of: (country) => known.get(country)?.displayName ?? idOf(country), region: (country) => known.get(country)?.region };
}

export function CountryLink({ country, names }: { country: string; names: CountryNames }) {
  return <a href={`#/world/${idOf(country)}`}>{names.of(country)}</a>;
}

export function CountryLinks({ countries, names }: { countries: string[]; names: CountryNames }) {
  return (
    <>
      {countries.map((country, i) => (
        <span key={country}>
          {i > 0 && ", "}
          <CountryLink country={country} names={names} />
        </span>
      ))}
    </>
  );
}
