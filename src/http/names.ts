import type { FastifyInstance } from "fastify";
import { EiderError } from "../errors.ts";

/** `localhost`, names below it, and the loopback addresses: what no name of another's can be made to mean. */
const OWN_NAME = /^(([^.]+\.)*localhost\.?|127(\.\d{1,3}){3}|\[::1\]|::1)$/i;

/**
 * For a server without authentication that only this machine reaches: a page of another site can have its own name lead
 * to this machine, and its user's browser then takes it for that site and reads what is here (DNS rebinding). The browser
 * still sends that name. Programs that are no browsers may send none.
 */
export function refuseOtherNames(app: FastifyInstance): void {
  app.addHook("onRequest", async ({ hostname, headers }) => {
    if (headers.host === undefined || headers.host === "" || OWN_NAME.test(hostname)) return;
    throw new EiderError(
      "forbidden",
      "a server without authentication answers on this machine to the names localhost and 127.0.0.1 alone; " +
        "to give it another name set up authentication, or have the proxy before it send `Host: localhost`",
    );
  });
}
