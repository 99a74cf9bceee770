import { type Credentials, NO_CREDENTIALS, type Peer } from "./credentials.ts";
import { openPrincipal, type Principal } from "./principal.ts";

export { type Credentials, NO_CREDENTIALS, type Peer };

export interface Authenticator {
  /** False: nothing is checked, and nothing is refused. */
  readonly isOn: boolean;
  /** Resolves to who it is; throws `unauthenticated`, and `limit_exceeded` after too many failures. */
  authenticate(credentials: Credentials, peer: Peer): Promise<Principal>;
}

const ANONYMOUS = openPrincipal("anonymous");

/** Authentication is off: whatever is presented is accepted, and a user name is believed. */
export const OPEN_AUTHENTICATOR: Authenticator = {
  isOn: false,
  async authenticate(credentials) {
    return credentials.kind === "basic" && credentials.username !== ""
      ? openPrincipal(credentials.username)
      : ANONYMOUS;
  },
};
