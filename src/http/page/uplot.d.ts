// The server serves the package's file under this name.
export { default } from "uplot";
