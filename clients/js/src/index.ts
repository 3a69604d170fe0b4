export { signal } from './signal.js';
export { subscribe } from './subscribe.js';
export type {
  ConnectionOptions, Gap, Problem, Signal, SseEvent, State, SubscribeOptions, Subscription, Token, TokenReason,
} from './types.js';
