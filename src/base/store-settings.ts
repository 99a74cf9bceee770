/** What the settings say of the object store (their meaning: `config/settings/object-store-settings.ts`); empty: not said. */
export interface StoreSettings {
  readonly storeEndpoint: string;
  readonly storeRegion: string;
  readonly storeUrlStyle: string;
  readonly storeUseSsl: boolean;
  readonly storeKeyId: string;
  readonly storeSecret: string;
  readonly storeSessionToken: string;
  readonly storeAccount: string;
  readonly storeConnection: string;
}
