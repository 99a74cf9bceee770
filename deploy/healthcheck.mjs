// Ends with 0 when the server on this machine takes requests. Without the certificate's name: it is asked by its address.
import { get as getHttp } from "node:http";
import { get as getHttps } from "node:https";

const port = process.env.EIDER_HTTP_PORT ?? "4280";
const hasTls = Boolean(process.env.EIDER_TLS_CERT_FILE);
const get = hasTls ? getHttps : getHttp;
const url = `${hasTls ? "https" : "http"}://127.0.0.1:${port}/ready`;
get(url, { rejectUnauthorized: false, timeout: 5000 }, (response) => {
  response.resume();
  process.exitCode = response.statusCode === 200 ? 0 : 1;
})
  .on("timeout", function onTimeout() {
    this.destroy(new Error(`${url} did not answer`));
  })
  .on("error", ({ message }) => {
    process.stderr.write(`${message}\n`);
    process.exitCode = 1;
  });
