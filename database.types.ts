// Made by `npm run db:types` from the migrations. Do not edit.

export type Json =
  | string
  | number
  | boolean
  | null
  | { [key: string]: Json | undefined }
  | Json[]

export type Database = {
  analytics: {
    Tables: {
      event_aggregations: {
        Row: {
          created_at: string
          dimensions: Json | null
          dimensions_hash: string | null
          event_count: number
          event_name: string | null
          event_type: Database["analytics"]["Enums"]["event_type"] | null
          granularity: Database["analytics"]["Enums"]["granularity"]
          id: string
          time_bucket: string
          unique_sessions: number | null
          unique_users: number | null
          updated_at: string
        }
        Insert: {
          created_at?: string
          dimensions?: Json | null
          dimensions_hash?: never
          event_count: number
          event_name?: string | null
          event_type?: Database["analytics"]["Enums"]["event_type"] | null
          granularity: Database["analytics"]["Enums"]["granularity"]
          id: string
          time_bucket: string
          unique_sessions?: number | null
          unique_users?: number | null
          updated_at?: string
        }
        Update: {
          created_at?: string
          dimensions?: Json | null
          dimensions_hash?: never
          event_count?: number
          event_name?: string | null
          event_type?: Database["analytics"]["Enums"]["event_type"] | null
          granularity?: Database["analytics"]["Enums"]["granularity"]
          id?: string
          time_bucket?: string
          unique_sessions?: number | null
          unique_users?: number | null
          updated_at?: string
        }
        Relationships: []
      }
      events: {
        Row: {
          anonymous_id: string | null
          browser: string | null
          country: string | null
          device_type: string | null
          id: string
          ingest_seq: number
          is_bot: boolean
          metadata: NonNullable<Json>
          name: string
          occurred_at: string
          os: string | null
          properties: NonNullable<Json>
          received_at: string
          referrer: string | null
          region: string | null
          session_id: string | null
          type: Database["analytics"]["Enums"]["event_type"]
          url: string | null
          user_agent: string | null
          user_id: string | null
          user_is_verified: boolean
        }
        Insert: {
          anonymous_id?: string | null
          browser?: string | null
          country?: string | null
          device_type?: string | null
          id: string
          ingest_seq?: number
          is_bot?: boolean
          metadata?: NonNullable<Json>
          name: string
          occurred_at: string
          os?: string | null
          properties?: NonNullable<Json>
          received_at?: string
          referrer?: string | null
          region?: string | null
          session_id?: string | null
          type: Database["analytics"]["Enums"]["event_type"]
          url?: string | null
          user_agent?: string | null
          user_id?: string | null
          user_is_verified?: boolean
        }
        Update: {
          anonymous_id?: string | null
          browser?: string | null
          country?: string | null
          device_type?: string | null
          id?: string
          ingest_seq?: number
          is_bot?: boolean
          metadata?: NonNullable<Json>
          name?: string
          occurred_at?: string
          os?: string | null
          properties?: NonNullable<Json>
          received_at?: string
          referrer?: string | null
          region?: string | null
          session_id?: string | null
          type?: Database["analytics"]["Enums"]["event_type"]
          url?: string | null
          user_agent?: string | null
          user_id?: string | null
          user_is_verified?: boolean
        }
        Relationships: []
      }
      metrics: {
        Row: {
          aggregation: string | null
          created_at: string
          description: string | null
          dimensions: NonNullable<Json>
          dimensions_hash: string | null
          granularity: string | null
          id: string
          name: string
          sample_count: number | null
          source: string | null
          tags: string[]
          time_window_end: string | null
          time_window_start: string | null
          timestamp: string
          type: string
          value_json: Json | null
          value_numeric: number | null
        }
        Insert: {
          aggregation?: string | null
          created_at?: string
          description?: string | null
          dimensions?: NonNullable<Json>
          dimensions_hash?: never
          granularity?: string | null
          id?: string
          name: string
          sample_count?: number | null
          source?: string | null
          tags?: string[]
          time_window_end?: string | null
          time_window_start?: string | null
          timestamp?: string
          type?: string
          value_json?: Json | null
          value_numeric?: number | null
        }
        Update: {
          aggregation?: string | null
          created_at?: string
          description?: string | null
          dimensions?: NonNullable<Json>
          dimensions_hash?: never
          granularity?: string | null
          id?: string
          name?: string
          sample_count?: number | null
          source?: string | null
          tags?: string[]
          time_window_end?: string | null
          time_window_start?: string | null
          timestamp?: string
          type?: string
          value_json?: Json | null
          value_numeric?: number | null
        }
        Relationships: []
      }
    }
    Views: {
      [_ in never]: never
    }
    Functions: {
      add_events: { Args: { after: number; upto: number }; Returns: undefined }
      aggregation_id: {
        Args: {
          bucket: string
          dimension?: string
          granularity: Database["analytics"]["Enums"]["granularity"]
          name: string
          type: Database["analytics"]["Enums"]["event_type"]
        }
        Returns: string
      }
      drop_old_counts: {
        Args: { actors_before: string; minutes_before: string }
        Returns: number
      }
      drop_old_events: { Args: { before: string }; Returns: number }
      event_time: { Args: { value: Json }; Returns: string }
      first_id: { Args: { moment: string }; Returns: string }
      id_milliseconds: { Args: { id: string }; Returns: number }
      make_event_partitions: { Args: { ahead?: number }; Returns: number }
      make_partition: {
        Args: { high: string; low: string; name: string }
        Returns: undefined
      }
      process_pending_events: { Args: { most?: number }; Returns: number }
      read_time: { Args: { words: string }; Returns: string }
      recount: { Args: { touched: Json }; Returns: undefined }
      settled_ingest_seq: { Args: Record<PropertyKey, never>; Returns: number }
      track_events: { Args: { events: Json }; Returns: Json }
      undated_id: { Args: { id: string }; Returns: string }
      wider: {
        Args: {
          hour: string
          name: string
          type: Database["analytics"]["Enums"]["event_type"]
        }
        Returns: {
          bucket: string
          granularity: Database["analytics"]["Enums"]["granularity"]
          name: string
          type: Database["analytics"]["Enums"]["event_type"]
        }[]
      }
    }
    Enums: {
      event_type: "page_view" | "user_action" | "conversion" | "system"
      granularity: "minute" | "hour" | "day" | "week" | "month"
    }
    CompositeTypes: {
      [_ in never]: never
    }
  }
  clixen: {
    Tables: {
      deployments: {
        Row: {
          completed_at: string | null
          created_at: string
          deployment_url: string | null
          deployment_version: number
          duration_ms: number | null
          error_message: string | null
          id: string
          n8n_response: Json | null
          n8n_workflow_id: string | null
          started_at: string
          status: string
          user_id: string
          workflow_id: string
        }
        Insert: {
          completed_at?: string | null
          created_at?: string
          deployment_url?: string | null
          deployment_version: number
          duration_ms?: number | null
          error_message?: string | null
          id?: string
          n8n_response?: Json | null
          n8n_workflow_id?: string | null
          started_at?: string
          status?: string
          user_id: string
          workflow_id: string
        }
        Update: {
          completed_at?: string | null
          created_at?: string
          deployment_url?: string | null
          deployment_version?: number
          duration_ms?: number | null
          error_message?: string | null
          id?: string
          n8n_response?: Json | null
          n8n_workflow_id?: string | null
          started_at?: string
          status?: string
          user_id?: string
          workflow_id?: string
        }
        Relationships: [
          {
            foreignKeyName: "deployments_workflow"
            columns: ["workflow_id", "user_id"]
            isOneToOne: false
            referencedRelation: "mvp_workflows"
            referencedColumns: ["id", "user_id"]
          },
        ]
      }
      mvp_chat_messages: {
        Row: {
          agent_type: Database["clixen"]["Enums"]["agent_type"] | null
          content: string
          created_at: string
          id: string
          metadata: NonNullable<Json>
          processing_time_ms: number | null
          role: Database["clixen"]["Enums"]["chat_role"]
          session_id: string
          tokens_used: number | null
          user_id: string
        }
        Insert: {
          agent_type?: Database["clixen"]["Enums"]["agent_type"] | null
          content: string
          created_at?: string
          id?: string
          metadata?: NonNullable<Json>
          processing_time_ms?: number | null
          role?: Database["clixen"]["Enums"]["chat_role"]
          session_id: string
          tokens_used?: number | null
          user_id?: string
        }
        Update: {
          agent_type?: Database["clixen"]["Enums"]["agent_type"] | null
          content?: string
          created_at?: string
          id?: string
          metadata?: NonNullable<Json>
          processing_time_ms?: number | null
          role?: Database["clixen"]["Enums"]["chat_role"]
          session_id?: string
          tokens_used?: number | null
          user_id?: string
        }
        Relationships: [
          {
            foreignKeyName: "mvp_chat_messages_session"
            columns: ["session_id", "user_id"]
            isOneToOne: false
            referencedRelation: "mvp_chat_sessions"
            referencedColumns: ["id", "user_id"]
          },
        ]
      }
      mvp_chat_sessions: {
        Row: {
          created_at: string
          id: string
          last_message_at: string | null
          message_count: number
          project_id: string
          status: string
          title: string
          updated_at: string
          user_id: string
          user_satisfied: boolean | null
          workflow_created: boolean
          workflow_deployed: boolean
          workflow_id: string | null
        }
        Insert: {
          created_at?: string
          id?: string
          last_message_at?: string | null
          message_count?: number
          project_id: string
          status?: string
          title?: string
          updated_at?: string
          user_id?: string
          user_satisfied?: boolean | null
          workflow_created?: boolean
          workflow_deployed?: boolean
          workflow_id?: string | null
        }
        Update: {
          created_at?: string
          id?: string
          last_message_at?: string | null
          message_count?: number
          project_id?: string
          status?: string
          title?: string
          updated_at?: string
          user_id?: string
          user_satisfied?: boolean | null
          workflow_created?: boolean
          workflow_deployed?: boolean
          workflow_id?: string | null
        }
        Relationships: [
          {
            foreignKeyName: "mvp_chat_sessions_project"
            columns: ["project_id", "user_id"]
            isOneToOne: false
            referencedRelation: "mvp_project_summary"
            referencedColumns: ["id", "user_id"]
          },
          {
            foreignKeyName: "mvp_chat_sessions_project"
            columns: ["project_id", "user_id"]
            isOneToOne: false
            referencedRelation: "projects"
            referencedColumns: ["id", "user_id"]
          },
          {
            foreignKeyName: "mvp_chat_sessions_workflow"
            columns: ["workflow_id", "user_id"]
            isOneToOne: false
            referencedRelation: "mvp_workflows"
            referencedColumns: ["id", "user_id"]
          },
        ]
      }
      mvp_workflows: {
        Row: {
          avg_execution_time_ms: number | null
          created_at: string
          deployment_error: string | null
          deployment_status: string
          deployment_url: string | null
          description: string | null
          execution_count: number
          id: string
          last_deployed_at: string | null
          last_execution_at: string | null
          n8n_workflow_id: string | null
          n8n_workflow_json: NonNullable<Json>
          name: string
          original_prompt: string | null
          project_id: string
          status: string
          updated_at: string
          user_id: string
          version: number
        }
        Insert: {
          avg_execution_time_ms?: number | null
          created_at?: string
          deployment_error?: string | null
          deployment_status?: string
          deployment_url?: string | null
          description?: string | null
          execution_count?: number
          id?: string
          last_deployed_at?: string | null
          last_execution_at?: string | null
          n8n_workflow_id?: string | null
          n8n_workflow_json?: NonNullable<Json>
          name: string
          original_prompt?: string | null
          project_id: string
          status?: string
          updated_at?: string
          user_id?: string
          version?: number
        }
        Update: {
          avg_execution_time_ms?: number | null
          created_at?: string
          deployment_error?: string | null
          deployment_status?: string
          deployment_url?: string | null
          description?: string | null
          execution_count?: number
          id?: string
          last_deployed_at?: string | null
          last_execution_at?: string | null
          n8n_workflow_id?: string | null
          n8n_workflow_json?: NonNullable<Json>
          name?: string
          original_prompt?: string | null
          project_id?: string
          status?: string
          updated_at?: string
          user_id?: string
          version?: number
        }
        Relationships: [
          {
            foreignKeyName: "mvp_workflows_project"
            columns: ["project_id", "user_id"]
            isOneToOne: false
            referencedRelation: "mvp_project_summary"
            referencedColumns: ["id", "user_id"]
          },
          {
            foreignKeyName: "mvp_workflows_project"
            columns: ["project_id", "user_id"]
            isOneToOne: false
            referencedRelation: "projects"
            referencedColumns: ["id", "user_id"]
          },
        ]
      }
      projects: {
        Row: {
          color: string
          created_at: string
          description: string | null
          id: string
          last_activity_at: string
          name: string
          updated_at: string
          user_id: string
          workflow_count: number
        }
        Insert: {
          color?: string
          created_at?: string
          description?: string | null
          id?: string
          last_activity_at?: string
          name: string
          updated_at?: string
          user_id?: string
          workflow_count?: number
        }
        Update: {
          color?: string
          created_at?: string
          description?: string | null
          id?: string
          last_activity_at?: string
          name?: string
          updated_at?: string
          user_id?: string
          workflow_count?: number
        }
        Relationships: []
      }
      telemetry_events: {
        Row: {
          created_at: string
          duration_ms: number | null
          error_message: string | null
          event_category: string
          event_data: NonNullable<Json>
          event_type: string
          id: string
          ip_address: unknown
          project_id: string | null
          referer: string | null
          session_id: string | null
          success: boolean | null
          user_agent: string | null
          user_id: string | null
          workflow_id: string | null
        }
        Insert: {
          created_at?: string
          duration_ms?: number | null
          error_message?: string | null
          event_category: string
          event_data?: NonNullable<Json>
          event_type: string
          id?: string
          ip_address?: unknown
          project_id?: string | null
          referer?: string | null
          session_id?: string | null
          success?: boolean | null
          user_agent?: string | null
          user_id?: string | null
          workflow_id?: string | null
        }
        Update: {
          created_at?: string
          duration_ms?: number | null
          error_message?: string | null
          event_category?: string
          event_data?: NonNullable<Json>
          event_type?: string
          id?: string
          ip_address?: unknown
          project_id?: string | null
          referer?: string | null
          session_id?: string | null
          success?: boolean | null
          user_agent?: string | null
          user_id?: string | null
          workflow_id?: string | null
        }
        Relationships: []
      }
      user_profiles: {
        Row: {
          avatar_url: string | null
          created_at: string
          email: string | null
          first_deployment_at: string | null
          first_workflow_created_at: string | null
          full_name: string | null
          id: string
          onboarding_completed: boolean
          preferences: NonNullable<Json>
          tier: string
          total_deployments: number
          total_projects: number
          total_workflows_created: number
          updated_at: string
        }
        Insert: {
          avatar_url?: string | null
          created_at?: string
          email?: string | null
          first_deployment_at?: string | null
          first_workflow_created_at?: string | null
          full_name?: string | null
          id: string
          onboarding_completed?: boolean
          preferences?: NonNullable<Json>
          tier?: string
          total_deployments?: number
          total_projects?: number
          total_workflows_created?: number
          updated_at?: string
        }
        Update: {
          avatar_url?: string | null
          created_at?: string
          email?: string | null
          first_deployment_at?: string | null
          first_workflow_created_at?: string | null
          full_name?: string | null
          id?: string
          onboarding_completed?: boolean
          preferences?: NonNullable<Json>
          tier?: string
          total_deployments?: number
          total_projects?: number
          total_workflows_created?: number
          updated_at?: string
        }
        Relationships: []
      }
    }
    Views: {
      mvp_project_summary: {
        Row: {
          chat_count: number | null
          color: string | null
          created_at: string | null
          description: string | null
          failed_deployments: number | null
          id: string | null
          last_activity_at: string | null
          last_message_at: string | null
          last_workflow_id: string | null
          last_workflow_name: string | null
          last_workflow_updated_at: string | null
          name: string | null
          open_deployments: number | null
          updated_at: string | null
          user_id: string | null
          workflow_count: number | null
        }
        Insert: {
          chat_count?: number | null
          color?: string | null
          created_at?: string | null
          description?: string | null
          failed_deployments?: number | null
          id?: string | null
          last_activity_at?: string | null
          last_message_at?: string | null
          last_workflow_id?: string | null
          last_workflow_name?: string | null
          last_workflow_updated_at?: string | null
          name?: string | null
          open_deployments?: number | null
          updated_at?: string | null
          user_id?: string | null
          workflow_count?: number | null
        }
        Update: {
          chat_count?: number | null
          color?: string | null
          created_at?: string | null
          description?: string | null
          failed_deployments?: number | null
          id?: string | null
          last_activity_at?: string | null
          last_message_at?: string | null
          last_workflow_id?: string | null
          last_workflow_name?: string | null
          last_workflow_updated_at?: string | null
          name?: string | null
          open_deployments?: number | null
          updated_at?: string | null
          user_id?: string | null
          workflow_count?: number | null
        }
        Relationships: []
      }
      mvp_user_dashboard_stats: {
        Row: {
          active_chats: number | null
          archived_workflows: number | null
          deployed_workflows: number | null
          draft_workflows: number | null
          failed_workflows: number | null
          first_deployment_at: string | null
          first_workflow_created_at: string | null
          last_activity_at: string | null
          open_deployments: number | null
          tier: string | null
          total_chats: number | null
          total_deployments: number | null
          total_projects: number | null
          total_workflows_created: number | null
          user_id: string | null
          validated_workflows: number | null
        }
        Insert: {
          active_chats?: number | null
          archived_workflows?: number | null
          deployed_workflows?: number | null
          draft_workflows?: number | null
          failed_workflows?: number | null
          first_deployment_at?: string | null
          first_workflow_created_at?: string | null
          last_activity_at?: string | null
          open_deployments?: number | null
          tier?: string | null
          total_chats?: number | null
          total_deployments?: number | null
          total_projects?: number | null
          total_workflows_created?: number | null
          user_id?: string | null
          validated_workflows?: number | null
        }
        Update: {
          active_chats?: number | null
          archived_workflows?: number | null
          deployed_workflows?: number | null
          draft_workflows?: number | null
          failed_workflows?: number | null
          first_deployment_at?: string | null
          first_workflow_created_at?: string | null
          last_activity_at?: string | null
          open_deployments?: number | null
          tier?: string | null
          total_chats?: number | null
          total_deployments?: number | null
          total_projects?: number | null
          total_workflows_created?: number | null
          user_id?: string | null
          validated_workflows?: number | null
        }
        Relationships: []
      }
    }
    Functions: {
      ensure_user_profile: {
        Args: Record<PropertyKey, never>
        Returns: {
          avatar_url: string | null
          created_at: string
          email: string | null
          first_deployment_at: string | null
          first_workflow_created_at: string | null
          full_name: string | null
          id: string
          onboarding_completed: boolean
          preferences: NonNullable<Json>
          tier: string
          total_deployments: number
          total_projects: number
          total_workflows_created: number
          updated_at: string
        }
        SetofOptions: {
          from: "*"
          to: "user_profiles"
          isOneToOne: true
          isSetofReturn: false
        }
      }
      erase_user: { Args: { user_id: string }; Returns: Json }
      get_or_create_default_project: {
        Args: { user_id?: string }
        Returns: {
          color: string
          created_at: string
          description: string | null
          id: string
          last_activity_at: string
          name: string
          updated_at: string
          user_id: string
          workflow_count: number
        }
        SetofOptions: {
          from: "*"
          to: "projects"
          isOneToOne: true
          isSetofReturn: false
        }
      }
      may_finish_deployments: {
        Args: Record<PropertyKey, never>
        Returns: boolean
      }
      open_deployment: {
        Args: { of_version?: number; workflow_id: string }
        Returns: Json
      }
      record_execution: {
        Args: {
          duration_ms: number
          finished_at: string
          n8n_workflow_id: string
        }
        Returns: boolean
      }
      track_telemetry: { Args: { events: Json }; Returns: Json }
    }
    Enums: {
      agent_type: "system" | "orchestrator" | "workflow_designer" | "deployment"
      chat_role: "user" | "assistant" | "system"
    }
    CompositeTypes: {
      [_ in never]: never
    }
  }
  experiments: {
    Tables: {
      assignments: {
        Row: {
          assigned_at: string
          bucket_version: number
          country: string | null
          experiment_id: string
          exposure_count: number
          first_exposure_at: string | null
          id: string
          last_exposure_at: string | null
          session_id: string | null
          source: Database["experiments"]["Enums"]["assignment_source"]
          unit_key: string
          user_id: string | null
          variant_id: string
        }
        Insert: {
          assigned_at?: string
          bucket_version: number
          country?: string | null
          experiment_id: string
          exposure_count?: number
          first_exposure_at?: string | null
          id?: string
          last_exposure_at?: string | null
          session_id?: string | null
          source?: Database["experiments"]["Enums"]["assignment_source"]
          unit_key: string
          user_id?: string | null
          variant_id: string
        }
        Update: {
          assigned_at?: string
          bucket_version?: number
          country?: string | null
          experiment_id?: string
          exposure_count?: number
          first_exposure_at?: string | null
          id?: string
          last_exposure_at?: string | null
          session_id?: string | null
          source?: Database["experiments"]["Enums"]["assignment_source"]
          unit_key?: string
          user_id?: string | null
          variant_id?: string
        }
        Relationships: [
          {
            foreignKeyName: "assignments_experiment"
            columns: ["experiment_id"]
            isOneToOne: false
            referencedRelation: "experiments"
            referencedColumns: ["id"]
          },
        ]
      }
      experiments: {
        Row: {
          bucket_version: number
          control_variant: NonNullable<Json>
          created_at: string
          created_by: string | null
          description: string | null
          end_date: string | null
          hash_seed: string
          hash_version: number
          hypothesis: string | null
          id: string
          is_active: boolean
          name: string
          namespace: Json | null
          primary_metric: string | null
          results: Json | null
          start_date: string | null
          status: Database["experiments"]["Enums"]["experiment_status"]
          targeting_rules: NonNullable<Json>
          test_variants: NonNullable<Json>
          traffic_percentage: number
          unit: Database["experiments"]["Enums"]["unit_kind"]
          updated_at: string
          winner_variant_id: string | null
        }
        Insert: {
          bucket_version?: number
          control_variant: NonNullable<Json>
          created_at?: string
          created_by?: string | null
          description?: string | null
          end_date?: string | null
          hash_seed: string
          hash_version?: number
          hypothesis?: string | null
          id?: string
          is_active?: boolean
          name: string
          namespace?: Json | null
          primary_metric?: string | null
          results?: Json | null
          start_date?: string | null
          status?: Database["experiments"]["Enums"]["experiment_status"]
          targeting_rules?: NonNullable<Json>
          test_variants: NonNullable<Json>
          traffic_percentage?: number
          unit?: Database["experiments"]["Enums"]["unit_kind"]
          updated_at?: string
          winner_variant_id?: string | null
        }
        Update: {
          bucket_version?: number
          control_variant?: NonNullable<Json>
          created_at?: string
          created_by?: string | null
          description?: string | null
          end_date?: string | null
          hash_seed?: string
          hash_version?: number
          hypothesis?: string | null
          id?: string
          is_active?: boolean
          name?: string
          namespace?: Json | null
          primary_metric?: string | null
          results?: Json | null
          start_date?: string | null
          status?: Database["experiments"]["Enums"]["experiment_status"]
          targeting_rules?: NonNullable<Json>
          test_variants?: NonNullable<Json>
          traffic_percentage?: number
          unit?: Database["experiments"]["Enums"]["unit_kind"]
          updated_at?: string
          winner_variant_id?: string | null
        }
        Relationships: []
      }
    }
    Views: {
      [_ in never]: never
    }
    Functions: {
      auto_assign_experiments: {
        Args: { country?: string; session_id?: string; user_id?: string }
        Returns: Json
      }
      experiment_results: { Args: { experiment_id: string }; Returns: Json }
      fnv1a32: { Args: { value: string }; Returns: number }
      hash: {
        Args: { seed: string; value: string; version: number }
        Returns: number
      }
      override_assignment: {
        Args: {
          experiment_id: string
          session_id?: string
          user_id?: string
          variant_id?: string
        }
        Returns: Json
      }
      record_exposures: { Args: { exposures: Json }; Returns: Json }
    }
    Enums: {
      assignment_source: "hash" | "override"
      experiment_status:
        | "draft"
        | "running"
        | "paused"
        | "completed"
        | "archived"
      unit_kind: "user_id" | "session_id"
    }
    CompositeTypes: {
      [_ in never]: never
    }
  }
  marketing: {
    Tables: {
      lead_interactions: {
        Row: {
          completed_at: string | null
          created_at: string
          created_by: string | null
          description: string | null
          id: string
          interaction_type: string
          lead_id: string
          metadata: NonNullable<Json>
          outcome: string | null
          scheduled_at: string | null
          subject: string | null
          submission: Json | null
        }
        Insert: {
          completed_at?: string | null
          created_at?: string
          created_by?: string | null
          description?: string | null
          id?: string
          interaction_type: string
          lead_id: string
          metadata?: NonNullable<Json>
          outcome?: string | null
          scheduled_at?: string | null
          subject?: string | null
          submission?: Json | null
        }
        Update: {
          completed_at?: string | null
          created_at?: string
          created_by?: string | null
          description?: string | null
          id?: string
          interaction_type?: string
          lead_id?: string
          metadata?: NonNullable<Json>
          outcome?: string | null
          scheduled_at?: string | null
          subject?: string | null
          submission?: Json | null
        }
        Relationships: [
          {
            foreignKeyName: "lead_interactions_lead_id"
            columns: ["lead_id"]
            isOneToOne: false
            referencedRelation: "leads"
            referencedColumns: ["id"]
          },
          {
            foreignKeyName: "lead_interactions_lead_id"
            columns: ["lead_id"]
            isOneToOne: false
            referencedRelation: "leads_csv"
            referencedColumns: ["id"]
          },
        ]
      }
      leads: {
        Row: {
          city: string | null
          company_name: string | null
          country_code: string | null
          created_at: string
          deleted_at: string | null
          email: string
          email_domain: string
          email_normalized: string
          first_name: string | null
          first_touch: NonNullable<Json>
          id: string
          interested_features: string[]
          is_spam: boolean
          landing_page: string | null
          last_name: string | null
          last_touch: NonNullable<Json>
          metadata: NonNullable<Json>
          network: unknown
          notes: string | null
          opt_in_status: string
          opted_in_at: string | null
          phone_number: string | null
          referrer: string | null
          region: string | null
          source: Database["marketing"]["Enums"]["lead_source"]
          spam_reason: string | null
          spam_score: number
          status: Database["marketing"]["Enums"]["lead_status"]
          submission_count: number
          submission_key: string | null
          submissions_dropped: number
          updated_at: string
          user_agent: string | null
          utm_campaign: string | null
          utm_content: string | null
          utm_medium: string | null
          utm_source: string | null
          utm_term: string | null
        }
        Insert: {
          city?: string | null
          company_name?: string | null
          country_code?: string | null
          created_at?: string
          deleted_at?: string | null
          email: string
          email_domain: string
          email_normalized: string
          first_name?: string | null
          first_touch?: NonNullable<Json>
          id?: string
          interested_features?: string[]
          is_spam?: boolean
          landing_page?: string | null
          last_name?: string | null
          last_touch?: NonNullable<Json>
          metadata?: NonNullable<Json>
          network?: unknown
          notes?: string | null
          opt_in_status?: string
          opted_in_at?: string | null
          phone_number?: string | null
          referrer?: string | null
          region?: string | null
          source?: Database["marketing"]["Enums"]["lead_source"]
          spam_reason?: string | null
          spam_score?: number
          status?: Database["marketing"]["Enums"]["lead_status"]
          submission_count?: number
          submission_key?: string | null
          submissions_dropped?: number
          updated_at?: string
          user_agent?: string | null
          utm_campaign?: string | null
          utm_content?: string | null
          utm_medium?: string | null
          utm_source?: string | null
          utm_term?: string | null
        }
        Update: {
          city?: string | null
          company_name?: string | null
          country_code?: string | null
          created_at?: string
          deleted_at?: string | null
          email?: string
          email_domain?: string
          email_normalized?: string
          first_name?: string | null
          first_touch?: NonNullable<Json>
          id?: string
          interested_features?: string[]
          is_spam?: boolean
          landing_page?: string | null
          last_name?: string | null
          last_touch?: NonNullable<Json>
          metadata?: NonNullable<Json>
          network?: unknown
          notes?: string | null
          opt_in_status?: string
          opted_in_at?: string | null
          phone_number?: string | null
          referrer?: string | null
          region?: string | null
          source?: Database["marketing"]["Enums"]["lead_source"]
          spam_reason?: string | null
          spam_score?: number
          status?: Database["marketing"]["Enums"]["lead_status"]
          submission_count?: number
          submission_key?: string | null
          submissions_dropped?: number
          updated_at?: string
          user_agent?: string | null
          utm_campaign?: string | null
          utm_content?: string | null
          utm_medium?: string | null
          utm_source?: string | null
          utm_term?: string | null
        }
        Relationships: []
      }
    }
    Views: {
      leads_csv: {
        Row: {
          cells: string[] | null
          city: string | null
          company_name: string | null
          country_code: string | null
          created_at: string | null
          deleted_at: string | null
          email: string | null
          email_domain: string | null
          email_normalized: string | null
          first_name: string | null
          first_touch: Json | null
          id: string | null
          interested_features: string[] | null
          is_spam: boolean | null
          landing_page: string | null
          last_name: string | null
          last_touch: Json | null
          metadata: Json | null
          network: unknown
          notes: string | null
          opt_in_status: string | null
          opted_in_at: string | null
          phone_number: string | null
          referrer: string | null
          region: string | null
          source: Database["marketing"]["Enums"]["lead_source"] | null
          spam_reason: string | null
          spam_score: number | null
          status: Database["marketing"]["Enums"]["lead_status"] | null
          submission_count: number | null
          submission_key: string | null
          submissions_dropped: number | null
          updated_at: string | null
          user_agent: string | null
          utm_campaign: string | null
          utm_content: string | null
          utm_medium: string | null
          utm_source: string | null
          utm_term: string | null
        }
        Insert: {
          cells?: never
          city?: string | null
          company_name?: string | null
          country_code?: string | null
          created_at?: string | null
          deleted_at?: string | null
          email?: string | null
          email_domain?: string | null
          email_normalized?: string | null
          first_name?: string | null
          first_touch?: Json | null
          id?: string | null
          interested_features?: string[] | null
          is_spam?: boolean | null
          landing_page?: string | null
          last_name?: string | null
          last_touch?: Json | null
          metadata?: Json | null
          network?: unknown
          notes?: string | null
          opt_in_status?: string | null
          opted_in_at?: string | null
          phone_number?: string | null
          referrer?: string | null
          region?: string | null
          source?: Database["marketing"]["Enums"]["lead_source"] | null
          spam_reason?: string | null
          spam_score?: number | null
          status?: Database["marketing"]["Enums"]["lead_status"] | null
          submission_count?: number | null
          submission_key?: string | null
          submissions_dropped?: number | null
          updated_at?: string | null
          user_agent?: string | null
          utm_campaign?: string | null
          utm_content?: string | null
          utm_medium?: string | null
          utm_source?: string | null
          utm_term?: string | null
        }
        Update: {
          cells?: never
          city?: string | null
          company_name?: string | null
          country_code?: string | null
          created_at?: string | null
          deleted_at?: string | null
          email?: string | null
          email_domain?: string | null
          email_normalized?: string | null
          first_name?: string | null
          first_touch?: Json | null
          id?: string | null
          interested_features?: string[] | null
          is_spam?: boolean | null
          landing_page?: string | null
          last_name?: string | null
          last_touch?: Json | null
          metadata?: Json | null
          network?: unknown
          notes?: string | null
          opt_in_status?: string | null
          opted_in_at?: string | null
          phone_number?: string | null
          referrer?: string | null
          region?: string | null
          source?: Database["marketing"]["Enums"]["lead_source"] | null
          spam_reason?: string | null
          spam_score?: number | null
          status?: Database["marketing"]["Enums"]["lead_status"] | null
          submission_count?: number | null
          submission_key?: string | null
          submissions_dropped?: number | null
          updated_at?: string | null
          user_agent?: string | null
          utm_campaign?: string | null
          utm_content?: string | null
          utm_medium?: string | null
          utm_source?: string | null
          utm_term?: string | null
        }
        Relationships: []
      }
    }
    Functions: {
      address_lock: { Args: { email_normalized: string }; Returns: number }
      capture_lead: { Args: { lead: Json }; Returns: Json }
      cleanup_old_data: { Args: Record<PropertyKey, never>; Returns: number }
      confirm_lead: { Args: { token: string }; Returns: Json }
      confirmation_token: {
        Args: {
          expires_at: string
          lead: Database["marketing"]["Tables"]["leads"]["Row"]
        }
        Returns: string
      }
      gdpr_delete_user_data: {
        Args: { email: string; mentions?: boolean; phones?: string[] }
        Returns: Json
      }
      gdpr_export_user_data: {
        Args: { email: string; phones?: string[] }
        Returns: Json
      }
      lead_consents: { Args: { lead: Json }; Returns: boolean }
      lead_features: { Args: { lead: Json }; Returns: string[] }
      lead_field_names: { Args: Record<PropertyKey, never>; Returns: string[] }
      lead_metadata: { Args: { lead: Json }; Returns: Json }
      lead_page_text: {
        Args: { field: string; lead: Json; most?: number }
        Returns: string
      }
      lead_text: {
        Args: { field: string; lead: Json; most?: number }
        Returns: string
      }
      lead_value: { Args: { field: string; lead: Json }; Returns: string }
      merge_lead: {
        Args: {
          draft: Database["marketing"]["Tables"]["leads"]["Row"]
          id: string
          known_reason: string
          known_spam: boolean
          lead: Json
        }
        Returns: undefined
      }
      only_admins: { Args: Record<PropertyKey, never>; Returns: boolean }
      pending_confirmations: {
        Args: { again_after?: string; most?: number }
        Returns: {
          email: string
          expires_at: string
          first_name: string
          lead_id: string
          requested_at: string
          token: string
        }[]
      }
      renew_confirmation: { Args: { lead_id: string }; Returns: undefined }
      sent_fields: { Args: { lead: Json }; Returns: Json }
      spam_score: {
        Args: { edge: Json; lead: Json }
        Returns: Record<string, unknown>
      }
      store_submission: {
        Args: {
          draft: Database["marketing"]["Tables"]["leads"]["Row"]
          lead: Json
          lead_id: string
        }
        Returns: undefined
      }
    }
    Enums: {
      lead_source:
        | "newsletter-signup"
        | "website-form"
        | "contact-form"
        | "pricing-inquiry"
        | "demo-request"
      lead_status: "new" | "contacted" | "qualified" | "converted" | "lost"
    }
    CompositeTypes: {
      [_ in never]: never
    }
  }
  onboarding: {
    Tables: {
      sessions: {
        Row: {
          abandoned_at: string | null
          bot_config: NonNullable<Json>
          bot_setup_completed_at: string | null
          business_data: NonNullable<Json>
          business_info_completed_at: string | null
          completed_at: string | null
          created_at: string
          current_step: Database["onboarding"]["Enums"]["step_name"]
          id: string
          last_activity_at: string
          lead_id: string | null
          network: unknown
          progress_percentage: number
          session_token_hash: string
          started_at: string
          status: Database["onboarding"]["Enums"]["session_status"]
          testing_completed_at: string | null
          updated_at: string
          user_agent: string | null
          whatsapp_config: NonNullable<Json>
          whatsapp_integration_completed_at: string | null
          progress_of: Json | null
        }
        Insert: {
          abandoned_at?: string | null
          bot_config?: NonNullable<Json>
          bot_setup_completed_at?: string | null
          business_data?: NonNullable<Json>
          business_info_completed_at?: string | null
          completed_at?: string | null
          created_at?: string
          current_step?: never
          id?: string
          last_activity_at?: string
          lead_id?: string | null
          network?: unknown
          progress_percentage?: never
          session_token_hash: string
          started_at?: string
          status?: Database["onboarding"]["Enums"]["session_status"]
          testing_completed_at?: string | null
          updated_at?: string
          user_agent?: string | null
          whatsapp_config?: NonNullable<Json>
          whatsapp_integration_completed_at?: string | null
        }
        Update: {
          abandoned_at?: string | null
          bot_config?: NonNullable<Json>
          bot_setup_completed_at?: string | null
          business_data?: NonNullable<Json>
          business_info_completed_at?: string | null
          completed_at?: string | null
          created_at?: string
          current_step?: never
          id?: string
          last_activity_at?: string
          lead_id?: string | null
          network?: unknown
          progress_percentage?: never
          session_token_hash?: string
          started_at?: string
          status?: Database["onboarding"]["Enums"]["session_status"]
          testing_completed_at?: string | null
          updated_at?: string
          user_agent?: string | null
          whatsapp_config?: NonNullable<Json>
          whatsapp_integration_completed_at?: string | null
        }
        Relationships: []
      }
      step_activities: {
        Row: {
          activity_type: string
          created_at: string
          error_message: string | null
          field_name: string | null
          field_value: string | null
          id: string
          metadata: NonNullable<Json>
          session_id: string
          step: Database["onboarding"]["Enums"]["step_name"]
          time_spent_seconds: number | null
        }
        Insert: {
          activity_type: string
          created_at?: string
          error_message?: string | null
          field_name?: string | null
          field_value?: string | null
          id?: string
          metadata?: NonNullable<Json>
          session_id: string
          step: Database["onboarding"]["Enums"]["step_name"]
          time_spent_seconds?: number | null
        }
        Update: {
          activity_type?: string
          created_at?: string
          error_message?: string | null
          field_name?: string | null
          field_value?: string | null
          id?: string
          metadata?: NonNullable<Json>
          session_id?: string
          step?: Database["onboarding"]["Enums"]["step_name"]
          time_spent_seconds?: number | null
        }
        Relationships: [
          {
            foreignKeyName: "step_activities_session"
            columns: ["session_id"]
            isOneToOne: false
            referencedRelation: "sessions"
            referencedColumns: ["id"]
          },
        ]
      }
    }
    Views: {
      [_ in never]: never
    }
    Functions: {
      abandon_inactive_sessions: {
        Args: Record<PropertyKey, never>
        Returns: number
      }
      activity: {
        Args: { activity: Json; session_token: string }
        Returns: Json
      }
      activity_row: {
        Args: {
          form: Json
          place: string
          session: Database["onboarding"]["Tables"]["sessions"]["Row"]
        }
        Returns: {
          activity_type: string
          created_at: string
          error_message: string | null
          field_name: string | null
          field_value: string | null
          id: string
          metadata: NonNullable<Json>
          session_id: string
          step: Database["onboarding"]["Enums"]["step_name"]
          time_spent_seconds: number | null
        }
        SetofOptions: {
          from: "*"
          to: "step_activities"
          isOneToOne: true
          isSetofReturn: false
        }
      }
      check_form: {
        Args: { form: Json; known: string[]; place?: string }
        Returns: undefined
      }
      merged_data: {
        Args: { column_name: string; data: Json; known: Json }
        Returns: Json
      }
      names_secret: { Args: { name: string }; Returns: boolean }
      progress: { Args: { session_token: string }; Returns: Json }
      progress_of: {
        Args: { session: Database["onboarding"]["Tables"]["sessions"]["Row"] }
        Returns: Json
      }
      redacted: { Args: { words: string }; Returns: string }
      refuse_field: {
        Args: { hint: string; message: string; place: string }
        Returns: undefined
      }
      session_of: {
        Args: { to_change: boolean; token: string }
        Returns: {
          abandoned_at: string | null
          bot_config: NonNullable<Json>
          bot_setup_completed_at: string | null
          business_data: NonNullable<Json>
          business_info_completed_at: string | null
          completed_at: string | null
          created_at: string
          current_step: Database["onboarding"]["Enums"]["step_name"]
          id: string
          last_activity_at: string
          lead_id: string | null
          network: unknown
          progress_percentage: number
          session_token_hash: string
          started_at: string
          status: Database["onboarding"]["Enums"]["session_status"]
          testing_completed_at: string | null
          updated_at: string
          user_agent: string | null
          whatsapp_config: NonNullable<Json>
          whatsapp_integration_completed_at: string | null
        }
        SetofOptions: {
          from: "*"
          to: "sessions"
          isOneToOne: true
          isSetofReturn: false
        }
      }
      start: { Args: { session: Json }; Returns: Json }
      step: { Args: { change: Json; session_token: string }; Returns: Json }
      step_field: {
        Args: {
          allowed: Database["onboarding"]["Enums"]["step_name"][]
          form: Json
          place?: string
        }
        Returns: Database["onboarding"]["Enums"]["step_name"]
      }
      text_field: {
        Args: { field: string; form: Json; most: number; place?: string }
        Returns: string
      }
    }
    Enums: {
      session_status: "not_started" | "in_progress" | "completed" | "abandoned"
      step_name:
        | "business_info"
        | "whatsapp_integration"
        | "bot_setup"
        | "testing"
        | "complete"
    }
    CompositeTypes: {
      [_ in never]: never
    }
  }
  whatsapp: {
    Tables: {
      accounts: {
        Row: {
          business_account_id: string
          created_at: string
          display_name: string | null
          id: string
          is_active: boolean
          is_verified: boolean
          last_message_sent_at: string | null
          last_webhook_at: string | null
          lead_id: string | null
          messages_limit_daily: number | null
          messages_sent_today: number
          messaging_limit_tier: string | null
          name_status: string | null
          owner_id: string
          phone_number: string
          phone_number_id: string
          quality_rating: string | null
          throughput_level: string | null
          updated_at: string
          verification_status: string | null
          webhook_verify_token_hash: string | null
        }
        Insert: {
          business_account_id: string
          created_at?: string
          display_name?: string | null
          id?: string
          is_active?: boolean
          is_verified?: boolean
          last_message_sent_at?: string | null
          last_webhook_at?: string | null
          lead_id?: string | null
          messages_limit_daily?: number | null
          messages_sent_today?: number
          messaging_limit_tier?: string | null
          name_status?: string | null
          owner_id?: string
          phone_number: string
          phone_number_id: string
          quality_rating?: string | null
          throughput_level?: string | null
          updated_at?: string
          verification_status?: string | null
          webhook_verify_token_hash?: string | null
        }
        Update: {
          business_account_id?: string
          created_at?: string
          display_name?: string | null
          id?: string
          is_active?: boolean
          is_verified?: boolean
          last_message_sent_at?: string | null
          last_webhook_at?: string | null
          lead_id?: string | null
          messages_limit_daily?: number | null
          messages_sent_today?: number
          messaging_limit_tier?: string | null
          name_status?: string | null
          owner_id?: string
          phone_number?: string
          phone_number_id?: string
          quality_rating?: string | null
          throughput_level?: string | null
          updated_at?: string
          verification_status?: string | null
          webhook_verify_token_hash?: string | null
        }
        Relationships: []
      }
      templates: {
        Row: {
          account_id: string
          body_text: string | null
          buttons: NonNullable<Json>
          category: string | null
          components: NonNullable<Json>
          created_at: string
          footer_text: string | null
          header_content: string | null
          header_type: string | null
          id: string
          language: string
          last_event_at: string | null
          parameter_format: string | null
          previous_category: string | null
          quality_score: string | null
          rejected_reason: string | null
          status: string
          template_name: string
          updated_at: string
          whatsapp_template_id: string | null
        }
        Insert: {
          account_id: string
          body_text?: string | null
          buttons?: NonNullable<Json>
          category?: string | null
          components?: NonNullable<Json>
          created_at?: string
          footer_text?: string | null
          header_content?: string | null
          header_type?: string | null
          id?: string
          language: string
          last_event_at?: string | null
          parameter_format?: string | null
          previous_category?: string | null
          quality_score?: string | null
          rejected_reason?: string | null
          status?: string
          template_name: string
          updated_at?: string
          whatsapp_template_id?: string | null
        }
        Update: {
          account_id?: string
          body_text?: string | null
          buttons?: NonNullable<Json>
          category?: string | null
          components?: NonNullable<Json>
          created_at?: string
          footer_text?: string | null
          header_content?: string | null
          header_type?: string | null
          id?: string
          language?: string
          last_event_at?: string | null
          parameter_format?: string | null
          previous_category?: string | null
          quality_score?: string | null
          rejected_reason?: string | null
          status?: string
          template_name?: string
          updated_at?: string
          whatsapp_template_id?: string | null
        }
        Relationships: [
          {
            foreignKeyName: "templates_account"
            columns: ["account_id"]
            isOneToOne: false
            referencedRelation: "accounts"
            referencedColumns: ["id"]
          },
        ]
      }
    }
    Views: {
      [_ in never]: never
    }
    Functions: {
      receive_webhook: { Args: { payload: Json }; Returns: Json }
      remove_access_token: { Args: { account_id: string }; Returns: boolean }
      set_access_token: {
        Args: {
          account_id: string
          key_version: number
          owner_id: string
          sealed: string
        }
        Returns: Json
      }
      verify_token_fits: { Args: { token: string }; Returns: boolean }
    }
    Enums: {
      [_ in never]: never
    }
    CompositeTypes: {
      [_ in never]: never
    }
  }
}

type DatabaseWithoutInternals = Omit<Database, "__InternalSupabase">

type DefaultSchema = DatabaseWithoutInternals[Extract<keyof Database, "public">]

export type Tables<
  DefaultSchemaTableNameOrOptions extends
    | keyof (DefaultSchema["Tables"] & DefaultSchema["Views"])
    | { schema: keyof DatabaseWithoutInternals },
  TableName extends (DefaultSchemaTableNameOrOptions extends {
    schema: keyof DatabaseWithoutInternals
  }
    ? keyof (DatabaseWithoutInternals[DefaultSchemaTableNameOrOptions["schema"]]["Tables"] &
        DatabaseWithoutInternals[DefaultSchemaTableNameOrOptions["schema"]]["Views"])
    : never) = never,
> = DefaultSchemaTableNameOrOptions extends {
  schema: keyof DatabaseWithoutInternals
}
  ? (DatabaseWithoutInternals[DefaultSchemaTableNameOrOptions["schema"]]["Tables"] &
      DatabaseWithoutInternals[DefaultSchemaTableNameOrOptions["schema"]]["Views"])[TableName] extends {
      Row: infer R
    }
    ? R
    : never
  : DefaultSchemaTableNameOrOptions extends keyof (DefaultSchema["Tables"] &
        DefaultSchema["Views"])
    ? (DefaultSchema["Tables"] &
        DefaultSchema["Views"])[DefaultSchemaTableNameOrOptions] extends {
        Row: infer R
      }
      ? R
      : never
    : never

export type TablesInsert<
  DefaultSchemaTableNameOrOptions extends
    | keyof DefaultSchema["Tables"]
    | { schema: keyof DatabaseWithoutInternals },
  TableName extends (DefaultSchemaTableNameOrOptions extends {
    schema: keyof DatabaseWithoutInternals
  }
    ? keyof DatabaseWithoutInternals[DefaultSchemaTableNameOrOptions["schema"]]["Tables"]
    : never) = never,
> = DefaultSchemaTableNameOrOptions extends {
  schema: keyof DatabaseWithoutInternals
}
  ? DatabaseWithoutInternals[DefaultSchemaTableNameOrOptions["schema"]]["Tables"][TableName] extends {
      Insert: infer I
    }
    ? I
    : never
  : DefaultSchemaTableNameOrOptions extends keyof DefaultSchema["Tables"]
    ? DefaultSchema["Tables"][DefaultSchemaTableNameOrOptions] extends {
        Insert: infer I
      }
      ? I
      : never
    : never

export type TablesUpdate<
  DefaultSchemaTableNameOrOptions extends
    | keyof DefaultSchema["Tables"]
    | { schema: keyof DatabaseWithoutInternals },
  TableName extends (DefaultSchemaTableNameOrOptions extends {
    schema: keyof DatabaseWithoutInternals
  }
    ? keyof DatabaseWithoutInternals[DefaultSchemaTableNameOrOptions["schema"]]["Tables"]
    : never) = never,
> = DefaultSchemaTableNameOrOptions extends {
  schema: keyof DatabaseWithoutInternals
}
  ? DatabaseWithoutInternals[DefaultSchemaTableNameOrOptions["schema"]]["Tables"][TableName] extends {
      Update: infer U
    }
    ? U
    : never
  : DefaultSchemaTableNameOrOptions extends keyof DefaultSchema["Tables"]
    ? DefaultSchema["Tables"][DefaultSchemaTableNameOrOptions] extends {
        Update: infer U
      }
      ? U
      : never
    : never

export type Enums<
  DefaultSchemaEnumNameOrOptions extends
    | keyof DefaultSchema["Enums"]
    | { schema: keyof DatabaseWithoutInternals },
  EnumName extends (DefaultSchemaEnumNameOrOptions extends {
    schema: keyof DatabaseWithoutInternals
  }
    ? keyof DatabaseWithoutInternals[DefaultSchemaEnumNameOrOptions["schema"]]["Enums"]
    : never) = never,
> = DefaultSchemaEnumNameOrOptions extends {
  schema: keyof DatabaseWithoutInternals
}
  ? DatabaseWithoutInternals[DefaultSchemaEnumNameOrOptions["schema"]]["Enums"][EnumName]
  : DefaultSchemaEnumNameOrOptions extends keyof DefaultSchema["Enums"]
    ? DefaultSchema["Enums"][DefaultSchemaEnumNameOrOptions]
    : never

export type CompositeTypes<
  PublicCompositeTypeNameOrOptions extends
    | keyof DefaultSchema["CompositeTypes"]
    | { schema: keyof DatabaseWithoutInternals },
  CompositeTypeName extends (PublicCompositeTypeNameOrOptions extends {
    schema: keyof DatabaseWithoutInternals
  }
    ? keyof DatabaseWithoutInternals[PublicCompositeTypeNameOrOptions["schema"]]["CompositeTypes"]
    : never) = never,
> = PublicCompositeTypeNameOrOptions extends {
  schema: keyof DatabaseWithoutInternals
}
  ? DatabaseWithoutInternals[PublicCompositeTypeNameOrOptions["schema"]]["CompositeTypes"][CompositeTypeName]
  : PublicCompositeTypeNameOrOptions extends keyof DefaultSchema["CompositeTypes"]
    ? DefaultSchema["CompositeTypes"][PublicCompositeTypeNameOrOptions]
    : never

export const Constants = {
  analytics: {
    Enums: {
      event_type: ["page_view", "user_action", "conversion", "system"],
      granularity: ["minute", "hour", "day", "week", "month"],
    },
  },
  clixen: {
    Enums: {
      agent_type: ["system", "orchestrator", "workflow_designer", "deployment"],
      chat_role: ["user", "assistant", "system"],
    },
  },
  experiments: {
    Enums: {
      assignment_source: ["hash", "override"],
      experiment_status: [
        "draft",
        "running",
        "paused",
        "completed",
        "archived",
      ],
      unit_kind: ["user_id", "session_id"],
    },
  },
  marketing: {
    Enums: {
      lead_source: [
        "newsletter-signup",
        "website-form",
        "contact-form",
        "pricing-inquiry",
        "demo-request",
      ],
      lead_status: ["new", "contacted", "qualified", "converted", "lost"],
    },
  },
  onboarding: {
    Enums: {
      session_status: ["not_started", "in_progress", "completed", "abandoned"],
      step_name: [
        "business_info",
        "whatsapp_integration",
        "bot_setup",
        "testing",
        "complete",
      ],
    },
  },
  whatsapp: {
    Enums: {},
  },
} as const

