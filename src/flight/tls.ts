import { ServerCredentials } from "@grpc/grpc-js";
import type { TlsFiles } from "../access/tls.ts";

/**
 * The server's certificate, exchanged while it serves: connections that are open keep theirs. By grpc-js' own way of
 * telling its listeners of another secure context (1.14: what its experimental certificate providers do).
 */
export class ReloadingCredentials extends ServerCredentials {
  constructor(tls: TlsFiles) {
    const { clientCaFile, requiresClientCertificate } = tls.settings;
    const requestCert = clientCaFile !== "";
    super({ requestCert, rejectUnauthorized: requestCert && requiresClientCertificate }, tls.context);
    tls.onChange((context) => this.updateSecureContextOptions(context));
  }

  override _equals(other: ServerCredentials): boolean {
    return this === other;
  }
}
