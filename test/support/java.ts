import { execFile, spawnSync } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { REPO } from "./repo.ts";

/** The program that uses the JDBC driver. */
export const JAVA_SOURCES = join(REPO, "test", "drivers", "java");

/** The newest release; it has all that it needs in one file. */
const DRIVER = { group: "org.apache.arrow", artifact: "flight-sql-jdbc-driver", version: "18.3.0" };

const OUTPUT_LIMIT_BYTES = 64 * 1024 * 1024;

/** False, and said aloud, when a program that the tests need is not on PATH. */
export function hasJava(): boolean {
  const missing = ["java", "javac", "mvn"].filter((program) => spawnSync(program, ["-version"]).status !== 0);
  if (missing.length > 0) console.warn(`${missing.join(", ")} not on PATH: the tests of the JDBC driver are skipped`);
  return missing.length === 0;
}

/** The driver, by Maven, in whose usual folder it stays; Java itself would take the home folder from the user's entry. */
export async function driverJar(): Promise<string> {
  const { group, artifact, version } = DRIVER;
  const repository = join(homedir(), ".m2", "repository");
  const jar = join(repository, ...group.split("."), artifact, version, `${artifact}-${version}.jar`);
  if (existsSync(jar)) return jar;
  const options = [
    `-Dmaven.repo.local=${repository}`,
    `-Dartifact=${group}:${artifact}:${version}`,
    "-Dtransitive=false",
  ];
  await promisify(execFile)("mvn", ["--batch-mode", "--quiet", "dependency:get", ...options]);
  return jar;
}

/** Compiles the program into `folder` and runs it; resolves to what went wrong in each case, null where nothing did. */
export async function runJava(folder: string, args: readonly string[]): Promise<Record<string, string | null>> {
  const run = promisify(execFile);
  const jar = await driverJar();
  const sources = readdirSync(JAVA_SOURCES).map((name) => join(JAVA_SOURCES, name));
  await run("javac", ["-encoding", "UTF-8", "-classpath", jar, "-d", folder, ...sources]);
  const options = [
    // Arrow for Java reads memory through what Java has closed since 16.
    "--add-opens=java.base/java.nio=ALL-UNNAMED",
    "-Xmx1g",
    "-Duser.timezone=UTC",
    "-classpath",
    `${jar}:${folder}`,
  ];
  const { stdout } = await run("java", [...options, "Cases", ...args], { maxBuffer: OUTPUT_LIMIT_BYTES });
  return JSON.parse(stdout.trimEnd().split("\n").at(-1) ?? "");
}
